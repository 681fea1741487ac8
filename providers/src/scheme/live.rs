//! Keys that the provider publishes. This crate says which URL it needs; who calls it fetches.

use crate::recipe::template::{Scope, Template};
use crate::request::Url;
use crate::verdict::KeyUrl;

/// Where a live key is, and where it may be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveKeyForm {
    pub(crate) url: Template,
    pub(crate) hosts: Hosts,
    pub(crate) path_begins: String,
    pub(crate) path_ends: String,
    /// Whoever asks gets it.
    pub(crate) is_public: bool,
}

/// Allowed hosts; a `*` stands for one label, `{region}` for one that reads like `eu-west-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts(pub(crate) Vec<String>);

impl LiveKeyForm {
    /// The host of a URL that is not one of the provider's.
    pub(crate) fn foreign(&self, scope: &Scope<'_>) -> Option<String> {
        self.url(scope).is_err().then_some(())?;
        let url = String::from_utf8(self.url.text(scope).ok()?).ok()?;
        Some(Url::of(&url).authority.to_owned())
    }

    /// The URL of the key, or why it must not be fetched. It is https, has no user, port or query, an allowed host and path.
    pub(crate) fn url(&self, scope: &Scope<'_>) -> Result<KeyUrl, String> {
        let url = self.url.text(scope).map_err(|lacking| lacking.to_string())?;
        let url = String::from_utf8(url).map_err(|_| "the URL of the key is not text".to_owned())?;
        let parts = Url::of(&url);
        let is_place = parts.path.starts_with(&self.path_begins) && parts.path.ends_with(&self.path_ends);
        // With a query one key would have any number of names.
        if !self.hosts.allow(&url) || !is_place || url.contains('?') {
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
        let host = parts.authority;
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_name = host.len() <= 253 && host.split('.').all(|l| (1..=63).contains(&l.len()) && l.bytes().all(label));
        parts.scheme == "https" && plain && is_name && self.0.iter().any(|pattern| matches(pattern, host))
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    let fits = |pattern: &str, label: &str| match pattern {
        "*" => true,
        "{region}" => is_region(label),
        exact => exact == label,
    };
    pattern.split('.').all(|p| labels.next().is_some_and(|l| fits(p, l))) && labels.next().is_none()
}

/// `eu-west-1`, `us-gov-east-1`: words and a number. `s3` and `s3-us-west-2` are names of buckets' hosts, which anybody may have.
fn is_region(label: &str) -> bool {
    let Some((words, number)) = label.rsplit_once('-') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
        && (2..=4).contains(&words.split('-').count())
        && words.split('-').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_hosts_are_asked() {
        let hosts = Hosts(vec!["sns.{region}.amazonaws.com".into(), "paypal.com".into(), "a.*.example".into()]);
        for good in [
            "https://sns.us-west-2.amazonaws.com/a.pem",
            "https://sns.us-gov-east-1.amazonaws.com/a.pem",
            "https://paypal.com/c?x=1",
            "https://a.b-3.example/",
        ] {
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
            "https://sns.s3.amazonaws.com/a.pem",
            "https://sns.s3-us-west-2.amazonaws.com/a.pem",
            "https://sns.west-2.amazonaws.com/a.pem",
            "https://sns.us-west-.amazonaws.com/a.pem",
            "https://sns.us-west-200.amazonaws.com/a.pem",
            "https://SNS.us-west-2.amazonaws.com/a.pem",
            &format!("https://a.{}.example/", "b".repeat(64)),
            "paypal.com",
            "",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }
}
