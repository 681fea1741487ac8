//! Form bodies as they were sent: one field in place of another, and every other byte as it was.

use form_urlencoded::{byte_serialize, parse};

use crate::json::{self, SetError};

/// Whether a content type says that a body is a form.
pub fn is_form(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Sets the first field of a name. A path that begins with a field's name leads into the JSON that is its value
/// (`payload.user.id`). `Err` has the names that there are.
pub fn set(body: &[u8], path: &str, text: &str) -> Result<Vec<u8>, Vec<String>> {
    let mut start = 0;
    let mut names = Vec::new();
    for field in body.split(|b| *b == b'&') {
        let end = start + field.len();
        if let Some((name, value)) = parse(field).next() {
            let inside = path.strip_prefix(&*name).and_then(|rest| rest.strip_prefix(['.', '/', '[']));
            let new = if path == name {
                Some(text.to_owned())
            } else {
                inside.and_then(|_| in_json(&value, &path[name.len()..], text))
            };
            if let Some(new) = new {
                let at = start + field.iter().position(|b| *b == b'=').map_or(field.len(), |at| at + 1);
                let sign = if at == end && !field.ends_with(b"=") { "=" } else { "" };
                let new = format!("{sign}{}", byte_serialize(new.as_bytes()).collect::<String>());
                return Ok(json::spliced(body, at..end, new.as_bytes()));
            }
            names.push(name.into_owned());
        }
        start = end + 1;
    }
    Err(names)
}

fn in_json(value: &str, path: &str, text: &str) -> Option<String> {
    match json::set(value.as_bytes(), path, text) {
        Ok(new) => String::from_utf8(new).ok(),
        Err(SetError::NotJson(_) | SetError::NoPath(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_field_changes() {
        let body = "Body=Hi+%e2%98%83&From=%2B1555&empty&b=&payload=%7B%22a%22%3A%5B1.0%5D%7D&From=x";
        let after = |path, text| set(body.as_bytes(), path, text).map(|b| String::from_utf8(b).unwrap());
        for (path, text, old, new) in [
            ("From", "+44 1", "From=%2B1555", "From=%2B44+1"),
            ("empty", "x", "&empty&", "&empty=x&"),
            ("b", "&", "&b=&", "&b=%26&"),
            ("payload.a.0", "2.50", "1.0", "2.50"),
            ("payload[\"a\"][0]", "2.50", "1.0", "2.50"),
        ] {
            assert_eq!(after(path, text), Ok(body.replacen(old, new, 1)), "{path}");
        }
        for path in ["Fro", "from", "payload.b", "payload.a.1", "From.x", ""] {
            assert_eq!(after(path, "1").unwrap_err()[..2], ["Body", "From"], "{path}");
        }
        assert!(is_form("Application/x-www-form-urlencoded; charset=utf-8") && !is_form("application/json"));
    }

    proptest! {
        #[test]
        fn an_edit_changes_only_what_was_asked(values in prop::collection::vec("[a-z+%=\\[{]{0,8}", 1..6), which in any::<prop::sample::Index>(), new in ".{0,10}") {
            let n = which.index(values.len());
            let field = |n: usize, value: &str| format!("k{n}={value}");
            let body: Vec<String> = values.iter().enumerate().map(|(n, value)| field(n, value)).collect();
            let edited = set(body.join("&").as_bytes(), &format!("k{n}"), &new).unwrap();
            let mut fields: Vec<String> = edited.split(|b| *b == b'&').map(|f| String::from_utf8(f.to_vec()).unwrap()).collect();
            let set = fields.remove(n);
            let mut others = body;
            others.remove(n);
            prop_assert_eq!(fields, others);
            prop_assert_eq!(parse(set.as_bytes()).next(), Some((format!("k{n}").into(), new.into())));
        }
    }
}
