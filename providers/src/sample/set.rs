//! Changes that a person asks for: `data.object.amount=4200`, `command=/deploy`.

use super::SampleError;
use super::near::near;
use super::value::Value;
use crate::json;

const MAX_PATHS: usize = 4096;

/// Sets the value at a path. `form` is whether the outermost members are fields of a form, which are always text.
pub(super) fn set(body: &mut Value, path: &str, text: &str, form: bool) -> Result<(), SampleError> {
    let lacking = |body: &Value| {
        let all = paths(body);
        SampleError::NoPath { path: path.to_owned(), near: near(path, all.iter().map(String::as_str)) }
    };
    let Some(steps) = steps(body, path) else { return Err(lacking(body)) };
    let field = form && steps.len() == 1;
    let Some((last, before)) = steps.split_last() else { return Err(lacking(body)) };
    let whole = body.clone();
    let Some(inner) = before.iter().try_fold(body, |value, step| value.get_mut(step)) else {
        return Err(lacking(&whole));
    };
    match inner.get_mut(last) {
        Some(old) => *old = if field { Value::text(text) } else { value(old, text) },
        // An object with nothing in it may hold anything: metadata, user variables.
        None => match inner {
            Value::Map(members) => members.push((last.clone(), value(&Value::Null, text))),
            _ => return Err(lacking(&whole)),
        },
    }
    Ok(())
}

/// The value that a text means. What is text stays text: a postcode of digits is not a number.
fn value(old: &Value, text: &str) -> Value {
    if let Value::Text(_) = old {
        return Value::text(text);
    }
    json::parse(text.as_bytes()).map_or_else(|| Value::text(text), |parsed| owned(&parsed))
}

fn owned(value: &json::Value<'_>) -> Value {
    match value {
        json::Value::Null => Value::Null,
        json::Value::Bool(yes) => Value::Bool(*yes),
        json::Value::Number(text) => Value::Number((*text).to_owned()),
        json::Value::Text(raw) => Value::Text(raw.decode().into_owned()),
        json::Value::Array(items) => Value::List(items.iter().map(owned).collect()),
        json::Value::Object(members) => {
            Value::Map(members.iter().map(|(name, value)| (name.decode().into_owned(), owned(value))).collect())
        }
    }
}

/// The steps of a path, `a.b.0.c` or `/a/b/0/c`, to what is there, or may be put there. Names that have a point of their
/// own are found too.
fn steps(value: &Value, path: &str) -> Option<Vec<String>> {
    if let Some(pointer) = path.strip_prefix('/') {
        let steps: Vec<String> = pointer.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect();
        let (last, before) = steps.split_last()?;
        let inner = before.iter().try_fold(value, |value, step| value.get(step))?;
        return (inner.get(last).is_some() || is_open(inner)).then_some(steps);
    }
    if value.get(path).is_some() || is_open(value) && !path.is_empty() && !path.contains('.') {
        return Some(vec![path.to_owned()]);
    }
    path.match_indices('.').find_map(|(at, _)| {
        let (first, rest) = (&path[..at], &path[at + 1..]);
        let mut all = vec![first.to_owned()];
        all.extend(steps(value.get(first)?, rest)?);
        Some(all)
    })
}

fn is_open(value: &Value) -> bool {
    matches!(value, Value::Map(members) if members.is_empty())
}

/// All paths, as a person would type them.
fn paths(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    collect(value, "", &mut all);
    all
}

fn collect(value: &Value, before: &str, all: &mut Vec<String>) {
    let mut one = |name: &str, value: &Value| {
        if all.len() < MAX_PATHS && *value != Value::None {
            let path = if before.is_empty() { name.to_owned() } else { format!("{before}.{name}") };
            all.push(path.clone());
            collect(value, &path, all);
        }
    };
    match value {
        Value::Map(members) => members.iter().for_each(|(name, value)| one(name, value)),
        Value::List(items) => items.iter().enumerate().for_each(|(n, item)| one(&n.to_string(), item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Value {
        let text =
            br#"{"data":{"amount":1,"email":"a@example.com","items":[{"id":1},{"id":2}],"metadata":{}},"a.b":null}"#;
        owned(&json::parse(text).expect("it is JSON"))
    }

    fn after(path: &str, text: &str) -> Result<String, SampleError> {
        let mut body = body();
        set(&mut body, path, text, false).map(|()| body.json())
    }

    #[test]
    fn a_path_goes_through_objects_and_arrays() {
        let has = |path, text, part: &str| assert!(after(path, text).expect(path).contains(part), "{path}");
        has("data.amount", "4200", r#""amount":4200"#);
        has("data.items.1.id", "null", r#"[{"id":1},{"id":null}]"#);
        has("data.items.0", r#"{"x":[1.50]}"#, r#"[{"x":[1.50]},{"id":2}]"#);
        has("/data/items/0/id", "seven", r#"[{"id":"seven"},"#);
        has("data.email", "42", r#""email":"42""#);
        has("a.b", "true", r#""a.b":true"#);
        has("data.metadata.order_id", "6735", r#""metadata":{"order_id":6735}"#);
    }

    #[test]
    fn a_path_that_is_not_there_names_near_ones() {
        for path in ["data.amout", "data.object.amount", "amount"] {
            let Err(SampleError::NoPath { near, .. }) = after(path, "1") else { panic!("{path} is there") };
            assert_eq!(near.first().map(String::as_str), Some("data.amount"), "{path}");
        }
        for path in ["", "data.items.2", "data.items.2.id", "data.email.x", "/data/none", "."] {
            assert!(matches!(after(path, "1"), Err(SampleError::NoPath { .. })), "{path}");
        }
    }

    #[test]
    fn fields_of_a_form_are_text() {
        let mut body = body();
        set(&mut body, "a.b", "42", true).expect("it is there");
        assert_eq!(body.get("a.b"), Some(&Value::text("42")));
    }
}
