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
            let near = hook_providers::sample::near_words(path, paths.iter().map(String::as_str));
            let near: Vec<_> = near.iter().take(3).map(|p| sanitize(p).into_owned()).collect();
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
