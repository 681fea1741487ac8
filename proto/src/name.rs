use std::fmt;
use std::str::FromStr;

/// The name of an endpoint: a DNS label in lower case, because it is a path segment or a subdomain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit")]
pub struct BadName;

impl EndpointName {
    /// A name of 20 characters that nobody can guess: 5 bits each of `random`, 100 in all (DESIGN §8).
    pub fn generated(random: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        Self((0..20).map(|i| char::from(ALPHABET[(random >> (5 * i)) as usize & 31])).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EndpointName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let letters = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if letters && edges && (1..=63).contains(&text.len()) { Ok(Self(text.to_owned())) } else { Err(BadName) }
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_names() {
        for random in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let name = EndpointName::generated(random);
            assert_eq!(name.as_str().parse(), Ok(name.clone()));
            assert_eq!(name.as_str().len(), 20);
        }
        assert_ne!(EndpointName::generated(1), EndpointName::generated(2));
    }

    #[test]
    fn what_is_not_a_dns_label_is_not_a_name() {
        for bad in ["", "-a", "a-", "_hook", "Shop", "a.b", "a/b", "ü", &"a".repeat(64)] {
            assert_eq!(bad.parse::<EndpointName>(), Err(BadName), "{bad}");
        }
    }
}
