//! Keys that the provider publishes. This crate says which URL it needs; who calls it fetches.

use crate::recipe::template::{Scope, Template};
use crate::request::Url;
use crate::verdict::KeyUrl;

/// Where a live key is, and where it may be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveKeyForm {
    pub(crate) url: Template,
    pub(crate) hosts: Hosts,
    pub(crate) path_ends: String,
    /// Whoever asks gets it.
    pub(crate) is_public: bool,
}

/// Allowed hosts; a `*` stands for one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts(pub(crate) Vec<String>);

impl LiveKeyForm {
    /// The URL of the key, or why it must not be fetched. It is https, has no user, no port, and an allowed host.
    pub(crate) fn url(&self, scope: &Scope<'_>) -> Result<KeyUrl, String> {
        let url = self.url.text(scope).map_err(|lacking| lacking.to_string())?;
        let url = String::from_utf8(url).map_err(|_| "the URL of the key is not text".to_owned())?;
        if !self.hosts.allow(&url) || !Url::of(&url).path.ends_with(&self.path_ends) {
            return Err("the URL of the key is not one of the provider's".to_owned());
        }
        Ok(KeyUrl { url, key_id: None, is_public: self.is_public })
    }
}

impl Hosts {
    pub(crate) fn allow(&self, url: &str) -> bool {
        let parts = Url::of(url);
        // Whatever a URL parser might read differently is refused: users, ports, backslashes, spaces.
        let plain = url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') && !url.contains('#');
        let host = parts.authority.to_ascii_lowercase();
        let label = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_name = host.split('.').all(|l| !l.is_empty() && l.bytes().all(label));
        parts.scheme == "https" && plain && is_name && self.0.iter().any(|pattern| matches(pattern, &host))
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    pattern.split('.').all(|p| labels.next().is_some_and(|l| p == "*" || p == l)) && labels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_hosts_are_asked() {
        let hosts = Hosts(vec!["sns.*.amazonaws.com".into(), "paypal.com".into()]);
        for good in
            ["https://sns.us-west-2.amazonaws.com/a.pem", "https://paypal.com/c?x=1", "https://SNS.eu.amazonaws.com/"]
        {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "http://sns.us-west-2.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com.evil.example/a.pem",
            "https://evil.example/sns.us.amazonaws.com",
            "https://sns.us.amazonaws.com@evil.example/",
            "https://sns.us.amazonaws.com:8443/",
            "https://evil.example\\.amazonaws.com/",
            "https://evil.example#.amazonaws.com/",
            "https://sns.a.b.amazonaws.com/",
            "https://sns..amazonaws.com/",
            "paypal.com",
            "",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }
}
