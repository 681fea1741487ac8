//! Targets: the local URLs that a person named, and nothing else (DESIGN §5, "Isolation").

use std::fmt;
use std::str::FromStr;

use http::uri::{Authority, PathAndQuery};

use crate::below::stays_below;
use crate::failure::Failure;

/// A URL to forward to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// Raw: empty, or beginning with `/`.
    pub path: String,
    /// Raw, without `?`.
    pub query: Option<String>,
}

/// `--forward-to`: a target, for all paths or for those below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardTo {
    /// Empty, or beginning with `/` and not ending with it.
    pub prefix: String,
    pub target: Target,
    /// As the person said it.
    pub typed: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an address hook can forward to ({reason})")]
pub struct BadTarget {
    pub text: String,
    pub reason: &'static str,
}

/// A path that would leave the target's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its path leaves the target's own path")]
pub struct LeavesTarget;

impl FromStr for ForwardTo {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        match text.split_once('=') {
            Some((prefix, target)) if prefix.starts_with('/') => Ok(Self {
                prefix: prefix.trim_end_matches('/').to_owned(),
                target: target.parse()?,
                typed: text.to_owned(),
            }),
            _ => Ok(Self { prefix: String::new(), target: text.parse()?, typed: text.to_owned() }),
        }
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    /// Takes `3000`, `:3000`, `localhost:3000/path` and full http(s) URLs.
    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let bad = |reason| BadTarget { text: text.to_owned(), reason };
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some(_) => return Err(bad("only http:// and https:// are known")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if behind.contains('#') {
            return Err(bad("a part behind # is never sent"));
        }
        let authority = match authority {
            port if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => format!("localhost:{port}"),
            port if port.starts_with(':') => format!("localhost{port}"),
            other => other.to_owned(),
        };
        let authority: Authority = authority.parse().map_err(|_| bad("there is no host in it"))?;
        if authority.as_str().contains('@') {
            return Err(bad("user names in URLs are not sent; use --header"));
        }
        // Brackets are around the whole of an IPv6 address, or nowhere.
        let bare = authority.host().strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(authority.host());
        if bare.is_empty() || bare.contains(['[', ']']) {
            return Err(bad("there is no host in it"));
        }
        // Some take it for an address, and alone it is a port.
        if bare.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad("a number alone is no host"));
        }
        let port = match authority.port() {
            Some(port) => port.as_str().parse().ok().filter(|p| *p != 0).ok_or_else(|| bad("a port is 1 to 65535"))?,
            None if authority.as_str() != authority.host() => return Err(bad("a port is 1 to 65535")),
            None if tls => 443,
            None => 80,
        };
        let (path, query) = match behind.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (behind, None),
        };
        if !path.is_empty() && path.parse::<PathAndQuery>().is_err() {
            return Err(bad("its path has a character that must be percent-encoded"));
        }
        // A bare host is a root, and roots let every path through.
        let path = if path == "/" { "" } else { path };
        Ok(Self { tls, host: authority.host().to_ascii_lowercase(), port, path: path.to_owned(), query })
    }
}

impl Target {
    /// Scheme, host and port: what is connected to.
    pub fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        if self.is_default_port() {
            format!("{scheme}://{}", self.host)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }

    /// As the `Host` field says it.
    pub fn authority(&self) -> String {
        if self.is_default_port() { self.host.clone() } else { self.host_port() }
    }

    fn is_default_port(&self) -> bool {
        self.port == if self.tls { 443 } else { 80 }
    }

    /// Whether its host is this machine by name, which nobody is asked about (RFC 6761 §6.3).
    pub fn is_localhost(&self) -> bool {
        self.host == "localhost" || self.host.ends_with(".localhost")
    }

    /// Whether it is this machine for sure.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        self.is_localhost() || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// Host and port, always both.
    pub fn host_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path and query to ask for, from what follows the endpoint in the public URL, raw (DESIGN §8).
    pub fn join(&self, rest: &str, query: Option<&str>) -> Result<String, LeavesTarget> {
        // Senders cannot leave out the slash behind a host name, so a lone one is nothing.
        let rest = if rest == "/" { "" } else { rest };
        // A path ends where these begin, whatever follows them.
        if rest.contains(['?', '#']) {
            return Err(LeavesTarget);
        }
        let path = match (self.path.as_str(), rest) {
            ("", "") => "/".to_owned(),
            (own, "") => own.to_owned(),
            (own, rest) => format!("{}{rest}", own.trim_end_matches('/')),
        };
        if !stays_below(self.path.trim_end_matches('/'), &path) {
            return Err(LeavesTarget);
        }
        let query = match (self.query.as_deref(), query) {
            (None, None) => return Ok(path),
            (Some(own), None) => own.to_owned(),
            (None, Some(query)) => query.to_owned(),
            (Some(own), Some(query)) if own.is_empty() || query.is_empty() => format!("{own}{query}"),
            (Some(own), Some(query)) => format!("{own}&{query}"),
        };
        Ok(format!("{path}?{query}"))
    }

    /// The whole URL for a path that [`Target::join`] made.
    pub fn url(&self, path_and_query: &str) -> String {
        let mut url = self.origin();
        url.push_str(path_and_query);
        url
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// `--app-url`: scheme, host and perhaps a path.
pub fn app_url(text: &str) -> Result<Target, Failure> {
    let shown = crate::sanitize::sanitize(text);
    let bad = |why: &str| {
        Failure::usage(format!("\"{shown}\" is not a URL that an app can have ({why})."))
            .next("--app-url https://shop.example/webhooks/twilio")
    };
    let url: Target = text.parse().map_err(|bad_target: BadTarget| bad(bad_target.reason))?;
    match (text.contains("://"), &url.query) {
        (false, _) => Err(bad("it begins with http:// or https://")),
        (true, Some(_)) => Err(bad("it has no query")),
        (true, None) => Ok(url),
    }
}

/// Chooses the target of a path: the longest prefix wins. Gives what follows the prefix.
pub fn route<'a, 'b>(routes: &'a [ForwardTo], path: &'b str) -> Option<(&'a Target, &'b str)> {
    let matches = |prefix: &str| -> Option<&'b str> {
        let rest = path.strip_prefix(prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    routes
        .iter()
        .filter_map(|r| matches(&r.prefix).map(|rest| (r, rest)))
        .max_by_key(|(r, _)| r.prefix.len())
        .map(|(r, rest)| (&r.target, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> Target {
        text.parse().expect(text)
    }

    #[test]
    fn every_way_to_name_a_target() {
        for (text, url) in [
            ("3000", "http://localhost:3000"),
            (":3000", "http://localhost:3000"),
            ("3000/hooks", "http://localhost:3000/hooks"),
            ("localhost:3000/a/b?x=1", "http://localhost:3000/a/b?x=1"),
            ("http://127.0.0.1:80/", "http://127.0.0.1"),
            ("https://App.test/x/", "https://app.test/x/"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(target(text).to_string(), url, "{text}");
        }
        for bad in [
            "",
            "ftp://x",
            "http://",
            "a b:1",
            "8:80",
            "http://8:80/x",
            "localhost:0",
            "localhost:99999",
            "localhost:",
            "u:p@h:1",
            "x:1/#f",
            "3[::1]:80",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (target, here) in [
            ("localhost:1", true),
            ("app.localhost", true),
            ("127.9.9.9:80", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("10.0.0.1", false),
            ("localhost.example", false),
            ("https://shop.example", false),
        ] {
            assert_eq!(target.parse::<Target>().unwrap().is_loopback(), here, "{target}");
        }
    }

    #[test]
    fn what_follows_the_endpoint_is_appended_raw() {
        for (own, rest, query, joined) in [
            ("3000/hooks", "", None, "/hooks"),
            ("3000/hooks", "/", None, "/hooks"),
            ("3000/hooks/", "", None, "/hooks/"),
            ("3000/hooks", "/a%2Fb//c", Some("q=%20"), "/hooks/a%2Fb//c?q=%20"),
            ("3000", "", None, "/"),
            ("3000", "/a/../b", None, "/a/../b"),
            ("3000/h?k=1", "", Some("x"), "/h?k=1&x"),
            ("3000/h", "", Some(""), "/h?"),
            ("3000/h", "/a/../b", None, "/h/a/../b"),
        ] {
            assert_eq!(target(own).join(rest, query).as_deref(), Ok(joined), "{own} {rest}");
        }
    }

    #[test]
    fn a_path_that_leaves_the_target_is_refused() {
        for rest in
            ["/..", "/../admin", "/a/../../x", "/%2e%2e/x", "/a%2Fb/../../x", "/..#/../hooks", "/..?/../hooks", "x"]
        {
            assert_eq!(target("3000/hooks").join(rest, None), Err(LeavesTarget), "{rest}");
        }
        assert!(target("3000/hooks").join("/../hooks/x", None).is_ok(), "it comes back");
    }

    #[test]
    fn an_app_url_is_a_whole_url() {
        assert_eq!(app_url("https://Shop.example/a").unwrap().to_string(), "https://shop.example/a");
        for bad in ["3000", "shop.example", "https://shop.example/?q", "ftp://x"] {
            assert!(app_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_prefix_wins_at_segment_borders() {
        let routes: Vec<ForwardTo> =
            ["3000", "/stripe=3001/s", "/stripe/live=3002"].iter().map(|t| t.parse().unwrap()).collect();
        let port = |path| route(&routes, path).map(|(t, rest)| (t.port, rest));
        assert_eq!(port("/stripe"), Some((3001, "")));
        assert_eq!(port("/stripe/live/x"), Some((3002, "/x")));
        assert_eq!(port("/stripes"), Some((3000, "/stripes")));
        assert_eq!(route(&routes[1..], "/other"), None);
    }

    proptest! {
        #[test]
        fn a_joined_path_resolves_below_the_target(rest in "(/([a-c.]|%2e|%2f|\\\\){0,6}){0,6}") {
            if let Ok(path) = target("3000/base").join(&rest, None) {
                prop_assert!(path.starts_with("/base") && stays_below("/base", &path));
            }
        }
    }
}
