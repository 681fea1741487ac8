//! What a scheme needs besides the secret: PayPal's webhook id, Meta's verify token. Some are secrets too, so none is printed.

use std::fmt;

use serde::Deserialize;

/// `--param KEY=VALUE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub value: Value,
}

/// A value, or `env:NAME`: the variable that holds it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Value {
    Given(String),
    Variable(String),
}

impl Param {
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned().into() })
            }
            _ => Err("a param is KEY=VALUE, or KEY=env:NAME for what a variable holds".to_owned()),
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        match text.strip_prefix("env:") {
            Some(variable) => Self::Variable(variable.to_owned()),
            None => Self::Given(text),
        }
    }
}

/// Never the value.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("…"),
            Self::Variable(name) => write!(f, "env:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_given_or_in_a_variable_and_never_shown() {
        let given = Param::parse("verify_token=hush=hush").unwrap();
        assert_eq!(given.value, Value::Given("hush=hush".into()));
        assert!(!format!("{given:?}").contains("hush"));
        let named = Param::parse("verify_token=env:META_TOKEN").unwrap();
        assert_eq!(named.value, Value::Variable("META_TOKEN".into()));
        assert!(Param::parse("verify_token").is_err() && Param::parse("=x").is_err());
    }
}
