//! What a template evaluates to, and how it is written as a body.

use crate::json::quoted;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing: a member with this value is left out.
    None,
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no whole number, as it is written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        match self {
            Value::Map(members) => members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            Value::List(items) => items.get_mut(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// As it stands in a form field, a header or the middle of a text.
    pub(super) fn plain(&self) -> String {
        match self {
            Value::None | Value::Null => String::new(),
            Value::Bool(yes) => yes.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Number(text) | Value::Text(text) => text.clone(),
            Value::List(_) | Value::Map(_) => self.json(),
        }
    }

    /// Compact, as `JSON.stringify` writes it: some SDKs verify only that.
    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        self.put(&mut out);
        out
    }

    fn put(&self, out: &mut String) {
        match self {
            Value::None | Value::Null => out.push_str("null"),
            Value::Bool(_) | Value::Int(_) | Value::Number(_) => out.push_str(&self.plain()),
            Value::Text(text) => out.push_str(&quoted(text)),
            Value::List(items) => {
                out.push('[');
                for (n, item) in items.iter().filter(|item| **item != Value::None).enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    item.put(out);
                }
                out.push(']');
            }
            Value::Map(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().filter(|(_, value)| *value != Value::None).enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(name));
                    out.push(':');
                    value.put(out);
                }
                out.push('}');
            }
        }
    }

    /// As a form: fields in order; a list is a field that is repeated, an object is JSON in a field.
    pub(super) fn form(&self) -> String {
        let Value::Map(members) = self else { return String::new() };
        let mut fields = Vec::new();
        for (name, value) in members {
            match value {
                Value::None => {}
                Value::List(items) if items.iter().all(|item| !matches!(item, Value::Map(_))) => {
                    fields.extend(items.iter().map(|item| (name, item.plain())));
                }
                value => fields.push((name, value.plain())),
            }
        }
        let fields = fields.iter().map(|(name, text)| format!("{}={}", percent(name), percent(text)));
        fields.collect::<Vec<_>>().join("&")
    }

    /// The XML of one element and what is in it. A name may have attributes behind it: `amount type="decimal"`.
    pub(super) fn xml(&self, name: &str) -> String {
        let inside = match self {
            Value::Map(members) => {
                let present = members.iter().filter(|(_, value)| *value != Value::None);
                present.map(|(name, value)| value.xml(name)).collect()
            }
            Value::List(items) => items.iter().map(|item| item.xml("item")).collect(),
            value => value.plain().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        };
        let tag = name.split(' ').next().unwrap_or_default();
        format!("<{name}>{inside}</{tag}>")
    }

    /// Members of the other are put over members of this one, all the way down.
    pub(super) fn over(self, other: Value) -> Value {
        match (self, other) {
            (Value::Map(mut members), Value::Map(others)) => {
                for (name, value) in others {
                    match members.iter().position(|(known, _)| *known == name) {
                        Some(at) => {
                            let old = std::mem::replace(&mut members[at].1, Value::None);
                            members[at].1 = old.over(value);
                        }
                        None => members.push((name, value)),
                    }
                }
                Value::Map(members)
            }
            (_, other) => other,
        }
    }
}

/// As a browser's form does it, but `%20` for a space, which every reader knows.
pub(super) fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(members: &[(&str, Value)]) -> Value {
        Value::Map(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn what_is_put_over_goes_all_the_way_down_and_nothing_takes_away() {
        let card = map(&[("brand", Value::text("visa")), ("last4", Value::text("4242"))]);
        let charge = map(&[("id", Value::text("ch_1")), ("card", card), ("paid", Value::Bool(true))]);
        let other = map(&[("card", map(&[("brand", Value::text("amex"))])), ("paid", Value::None)]);
        assert_eq!(charge.over(other).json(), r#"{"id":"ch_1","card":{"brand":"amex","last4":"4242"}}"#);
    }

    #[test]
    fn forms_repeat_lists_and_hold_objects_as_json() {
        let body = map(&[
            ("Body", Value::text("a b+c")),
            ("Media", Value::List(vec![Value::Int(1), Value::Int(2)])),
            ("payload", map(&[("ok", Value::Bool(true))])),
        ]);
        assert_eq!(body.form(), "Body=a%20b%2Bc&Media=1&Media=2&payload=%7B%22ok%22%3Atrue%7D");
    }
}
