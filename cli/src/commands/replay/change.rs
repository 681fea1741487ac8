//! A changed event: what is asked for is changed, and nothing else.

use bytes::Bytes;
use hook_proto::{EventHead, Header};

use super::args::ChangeArgs;
use crate::body_arg;
use crate::failure::Failure;
use crate::form;
use crate::journal::EventRow;
use crate::json::{self, SetError};
use crate::sanitize::sanitize;
use crate::text::shell_word;

/// An event that is about to be made from another.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    pub head: EventHead,
    pub body: Bytes,
}

/// `--body`, read once for all events.
pub fn body(args: &ChangeArgs) -> Result<Option<Bytes>, Failure> {
    args.body.as_deref().map(body_arg::read).transpose()
}

impl Changed {
    pub fn of(row: &EventRow, body: Bytes) -> Self {
        Self { head: row.head.clone(), body }
    }

    /// What the flags say, in the order: body, values in it, headers.
    pub fn apply(&mut self, seq: u64, args: &ChangeArgs, body: Option<&Bytes>) -> Result<(), Failure> {
        if let Some(body) = body {
            self.body = body.clone();
        }
        for (path, value) in &args.set {
            self.body = self.set(seq, path, value)?.into();
        }
        for header in args.headers()? {
            let at = self.head.headers.iter().position(|h| h.name == header.name).unwrap_or(self.head.headers.len());
            self.head.headers.retain(|h| h.name != header.name);
            self.head.headers.insert(at.min(self.head.headers.len()), header);
        }
        Ok(())
    }

    fn set(&self, seq: u64, path: &str, value: &str) -> Result<Vec<u8>, Failure> {
        let kind = self.head.headers.iter().find(|h| h.name == "content-type");
        let is_form = kind.is_some_and(|h| form::is_form(&String::from_utf8_lossy(&h.value)));
        let nothing_there = |paths: &[String]| {
            let typable = paths.iter().map(String::as_str).filter(|path| is_typable(path));
            let near = hook_providers::sample::near_words(path, typable);
            let near: Vec<_> = near.iter().take(3).map(|path| shell_word(path)).collect();
            let fact = format!("the body of event {seq} has nothing at \"{}\".", sanitize(path));
            Failure::failed(fact).next(match near.as_slice() {
                [] => format!("hook replay {seq} --edit"),
                [first, rest @ ..] => {
                    let others =
                        if rest.is_empty() { String::new() } else { format!("      (or {})", rest.join(", ")) };
                    format!("hook replay {seq} --set {first}=…{others}")
                }
            })
        };
        if is_form {
            return form::set(&self.body, path, value).map_err(|names| nothing_there(&names));
        }
        json::set(&self.body, path, value).map_err(|error| match error {
            SetError::NoPath(paths) => nothing_there(&paths),
            SetError::NotJson(error) => {
                let fact = format!(
                    "the body of event {seq} is neither JSON nor a form ({error}), so no value of it can be set."
                );
                Failure::failed(fact).next(format!("hook replay {seq} --body @FILE"))
            }
        })
    }

    /// A head that says how long this body is.
    pub fn fitted(mut self) -> Self {
        self.head.body_size = self.body.len() as u64;
        for field in self.head.headers.iter_mut().filter(|h| h.name == "content-length") {
            *field = Header::new("content-length", self.body.len().to_string().into_bytes());
        }
        self
    }
}

/// Longer names are nothing to type.
const TYPABLE: usize = 80;

/// Whether a name, which is the sender's, can be handed on as `--set NAME=…`.
fn is_typable(path: &str) -> bool {
    path.len() <= TYPABLE && !path.starts_with('-') && !path.contains('=') && sanitize(path) == path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(body: &str) -> String {
        let row = EventRow::for_test(7, "POST", "/");
        let changed = Changed::of(&row, Bytes::copy_from_slice(body.as_bytes()));
        changed.set(7, "amount", "1").unwrap_err().next.join("\n")
    }

    #[test]
    fn a_name_of_the_sender_is_typed_as_one_word() {
        assert_eq!(near(r#"{"amounts":1}"#), "hook replay 7 --set amounts=…");
        assert_eq!(near(r#"{"amount; reboot":1}"#), "hook replay 7 --set 'amount; reboot'=…");
        assert_eq!(near(r#"{"amount$(reboot)":1}"#), "hook replay 7 --set 'amount$(reboot)'=…");
        for odd in [r#"{"amount\u001b[2J":1}"#, r#"{"amount\n":1}"#, r#"{"amount=":1}"#, r#"{"-amount":1}"#] {
            assert_eq!(near(odd), "hook replay 7 --edit", "{odd}");
        }
    }
}
