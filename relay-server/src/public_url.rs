//! Public URLs (DESIGN §8): `https://relay.example/NAME/rest` and `https://NAME.relay.example/rest`.

use std::fmt;
use std::str::FromStr;

use hook_proto::EndpointName;

/// Where the outside reaches a relay: a scheme and an authority, no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: String,
    /// Host and, where it is not the scheme's own, port.
    authority: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a public URL: it is http:// or https://, a host, and nothing behind it")]
pub struct BadPublicUrl(String);

impl FromStr for PublicUrl {
    type Err = BadPublicUrl;

    fn from_str(text: &str) -> Result<Self, BadPublicUrl> {
        let bad = || BadPublicUrl(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_| bad())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
        let nothing_behind = matches!(uri.path(), "" | "/") && uri.query().is_none() && !text.contains('#');
        if !matches!(scheme, "http" | "https") || authority.as_str().contains('@') || !nothing_behind {
            return Err(bad());
        }
        Ok(Self { scheme: scheme.to_owned(), authority: authority.as_str().to_ascii_lowercase() })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// What a request's URL names.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// `/_hook/…`, the relay's own.
    Own,
    /// An endpoint by its possible name, and what follows it in the path: empty, or beginning with `/`.
    Endpoint { name: &'a str, rest: &'a str },
    /// The root, or nothing that could be an endpoint.
    Nothing,
}

impl PublicUrl {
    pub fn localhost() -> Self {
        Self { scheme: "http".into(), authority: "localhost".into() }
    }

    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Without the port.
    pub fn host(&self) -> &str {
        without_port(&self.authority)
    }

    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || host.ends_with(".localhost") || ip.is_ok_and(|ip| ip.is_loopback())
    }

    /// Reads a request's host (lower case, port included or not) and raw path.
    pub fn place<'a>(&self, host: &'a str, path: &'a str) -> Place<'a> {
        if path == "/_hook" || path.starts_with("/_hook/") {
            return Place::Own;
        }
        if let Some(name) = without_port(host).strip_suffix(self.host()).and_then(|n| n.strip_suffix('.')) {
            return Place::Endpoint { name, rest: path };
        }
        let Some(path) = path.strip_prefix('/').filter(|p| !p.is_empty()) else { return Place::Nothing };
        let end = path.find('/').unwrap_or(path.len());
        Place::Endpoint { name: &path[..end], rest: &path[end..] }
    }
}

/// Whether this could be an endpoint's name at all.
pub fn name(text: &str) -> Option<EndpointName> {
    text.parse().ok()
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PublicUrl {
        text.parse().expect(text)
    }

    #[test]
    fn both_forms_name_an_endpoint_and_keep_the_rest_raw() {
        let relay = url("https://Relay.example:8443/");
        assert_eq!(relay.to_string(), "https://relay.example:8443");
        for (host, path, name, rest) in [
            ("relay.example:8443", "/shop", "shop", ""),
            ("relay.example", "/shop/", "shop", "/"),
            ("10.0.0.1:80", "/shop/a%2Fb/../c", "shop", "/a%2Fb/../c"),
            ("shop.relay.example:8443", "/shop/x", "shop", "/shop/x"),
            ("shop.relay.example", "/", "shop", "/"),
            ("[::1]:80", "//shop", "", "/shop"),
        ] {
            assert_eq!(relay.place(host, path), Place::Endpoint { name, rest }, "{host}{path}");
        }
    }

    #[test]
    fn the_relays_own_pages_and_nothing() {
        let relay = url("http://127.0.0.1:4000");
        assert_eq!(relay.place("127.0.0.1:4000", "/_hook/health"), Place::Own);
        assert_eq!(relay.place("127.0.0.1:4000", "/"), Place::Nothing);
        assert!(relay.is_loopback() && url("http://[::1]:1").is_loopback() && url("http://localhost").is_loopback());
        assert!(!url("https://relay.example").is_loopback());
    }

    #[test]
    fn what_has_a_path_is_no_public_url() {
        for bad in ["relay.example", "ftp://a", "https://a/b", "https://a?x", "https://u@a", ""] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }
}
