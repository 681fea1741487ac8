//! Structured values out of a fuzzer's bytes; when they run out, everything is zero or empty.

use std::borrow::Cow;

use rusqlite::types::Value;

pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn number(&mut self) -> u64 {
        let width = usize::from(self.byte() % 9);
        self.take(width).iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
    }

    /// Up to 255 bytes, behind their length.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.take(length)
    }

    pub fn text(&mut self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes())
    }

    /// What comes before the next newline.
    pub fn line(&mut self) -> Cow<'a, str> {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let line = self.take(end);
        self.take(1);
        String::from_utf8_lossy(line)
    }

    /// A value for SQLite, and the SQL to bind it as: text need not be UTF-8 in a file that others wrote.
    pub fn value(&mut self) -> (Value, &'static str) {
        match self.byte() % 6 {
            0 => (Value::Null, "?"),
            1 => (Value::Integer(self.number() as i64), "?"),
            2 => (Value::Real(f64::from_bits(self.number())), "?"),
            3 => (Value::Text(self.text().into_owned()), "?"),
            4 => (Value::Blob(self.bytes().to_vec()), "CAST(? AS TEXT)"),
            _ => (Value::Blob(self.bytes().to_vec()), "?"),
        }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
