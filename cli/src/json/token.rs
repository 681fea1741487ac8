use std::fmt;

/// Deeper documents are refused: no provider sends them, and every reader of tokens may count on the bound.
pub const MAX_DEPTH: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Key,
    String,
    Number,
    True,
    False,
    Null,
    Comma,
    Colon,
}

/// One token, with its exact text; a key or a string keeps its quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    /// Where it starts, in bytes.
    pub start: usize,
    pub text: &'a str,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// What kept the text from being read, and where. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    pub trouble: Trouble,
    pub offset: usize,
    pub line: usize,
    pub column: usize,
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is not JSON.
    Syntax,
    /// It may be JSON, but is beyond what hook reads.
    Limit,
}

impl JsonError {
    pub(super) fn at(bytes: &[u8], offset: usize, trouble: Trouble, what: impl Into<String>) -> Self {
        let before = bytes.get(..offset).unwrap_or(bytes);
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        // Bytes 0b10xxxxxx continue a UTF-8 character that has been counted.
        let column = 1 + before[line_start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        Self { trouble, offset, line, column, what: what.into() }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.trouble {
            Trouble::Syntax => "invalid JSON",
            Trouble::Limit => "JSON over the limit",
        };
        write!(f, "{verdict} at line {}, column {}: {}", self.line, self.column, self.what)
    }
}

impl std::error::Error for JsonError {}

/// Reads one JSON document. The iterator ends after the document or after the first error.
pub fn tokens(bytes: &[u8]) -> Tokens<'_> {
    Tokens { bytes, at: 0, depth: 0, objects: 0, want: Want::Value, failed: false }
}

#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// One bit for each open container, the innermost lowest: 1 for an object. It is as wide as `MAX_DEPTH`.
    objects: u128,
    want: Want,
    failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.at == self.bytes.len() && self.want == Want::Nothing {
            return None;
        }
        let token = self.token();
        self.failed = token.is_err();
        Some(token)
    }
}

impl<'a> Tokens<'a> {
    /// How many containers are open after the last token.
    pub fn depth(&self) -> usize {
        self.depth
    }

    fn token(&mut self) -> Result<Token<'a>, JsonError> {
        let byte = self.bytes.get(self.at).copied();
        match (self.want, byte) {
            (Want::Value | Want::ValueOrEnd, Some(b'{')) => self.open(Kind::ObjectBegin, Want::KeyOrEnd),
            (Want::Value | Want::ValueOrEnd, Some(b'[')) => self.open(Kind::ArrayBegin, Want::ValueOrEnd),
            (Want::KeyOrEnd, Some(b'}')) => self.close(Kind::ObjectEnd),
            (Want::ValueOrEnd, Some(b']')) => self.close(Kind::ArrayEnd),
            (Want::CommaOrEnd, Some(b'}')) if self.in_object() => self.close(Kind::ObjectEnd),
            (Want::CommaOrEnd, Some(b']')) if !self.in_object() => self.close(Kind::ArrayEnd),
            (Want::CommaOrEnd, Some(b',')) => {
                let want = if self.in_object() { Want::Key } else { Want::Value };
                self.take(Kind::Comma, self.at + 1, want)
            }
            (Want::Colon, Some(b':')) => self.take(Kind::Colon, self.at + 1, Want::Value),
            (Want::Key | Want::KeyOrEnd, Some(b'"')) => {
                let end = string_end(self.bytes, self.at)?;
                self.take(Kind::Key, end, Want::Colon)
            }
            (Want::Value | Want::ValueOrEnd, Some(byte)) => self.scalar(byte),
            _ => Err(self.unexpected()),
        }
    }

    fn scalar(&mut self, byte: u8) -> Result<Token<'a>, JsonError> {
        let rest = &self.bytes[self.at..];
        let (kind, end) = match byte {
            b'"' => (Kind::String, string_end(self.bytes, self.at)?),
            b'-' | b'0'..=b'9' => (Kind::Number, number_end(self.bytes, self.at)?),
            b't' if rest.starts_with(b"true") => (Kind::True, self.at + 4),
            b'f' if rest.starts_with(b"false") => (Kind::False, self.at + 5),
            b'n' if rest.starts_with(b"null") => (Kind::Null, self.at + 4),
            _ => return Err(self.unexpected()),
        };
        self.take(kind, end, self.after_value())
    }

    fn open(&mut self, kind: Kind, want: Want) -> Result<Token<'a>, JsonError> {
        if self.depth == MAX_DEPTH {
            let what = format!("more than {MAX_DEPTH} levels deep");
            return Err(JsonError::at(self.bytes, self.at, Trouble::Limit, what));
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(kind == Kind::ObjectBegin);
        self.take(kind, self.at + 1, want)
    }

    fn close(&mut self, kind: Kind) -> Result<Token<'a>, JsonError> {
        self.depth -= 1;
        self.objects >>= 1;
        self.take(kind, self.at + 1, self.after_value())
    }

    fn take(&mut self, kind: Kind, end: usize, want: Want) -> Result<Token<'a>, JsonError> {
        let start = self.at;
        let text = std::str::from_utf8(&self.bytes[start..end])
            .map_err(|error| syntax(self.bytes, start + error.valid_up_to(), "a string that is not UTF-8"))?;
        self.at = end;
        self.want = want;
        Ok(Token { kind, start, text })
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn after_value(&self) -> Want {
        if self.depth == 0 { Want::Nothing } else { Want::CommaOrEnd }
    }

    fn unexpected(&self) -> JsonError {
        if self.at == 0 && self.bytes.starts_with(b"\xef\xbb\xbf") {
            return syntax(self.bytes, 0, "a byte order mark before the value");
        }
        let expected = match self.want {
            Want::Value => "a value",
            Want::ValueOrEnd => "a value or ]",
            Want::Key => "a key in double quotes",
            Want::KeyOrEnd => "a key in double quotes or }",
            Want::Colon => ":",
            Want::CommaOrEnd if self.in_object() => ", or }",
            Want::CommaOrEnd => ", or ]",
            Want::Nothing => "the end",
        };
        let ended = if self.at == self.bytes.len() { ", but the text ends here" } else { "" };
        syntax(self.bytes, self.at, format!("expected {expected}{ended}"))
    }
}

fn syntax(bytes: &[u8], offset: usize, what: impl Into<String>) -> JsonError {
    JsonError::at(bytes, offset, Trouble::Syntax, what)
}

/// The end of the string whose opening quote is at `start`. Its escapes are checked; its UTF-8 is not.
pub(super) fn string_end(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape_end(bytes, at)?,
            Some(0..0x20) => return Err(syntax(bytes, at, "a control character in a string, it needs an escape")),
            Some(_) => at += 1,
            None => return Err(syntax(bytes, start, "a string that is never closed")),
        }
    }
}

fn escape_end(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    match bytes.get(start + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(start + 2),
        Some(b'u') if bytes.get(start + 2..start + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
            Ok(start + 6)
        }
        _ => Err(syntax(bytes, start, "an escape that JSON does not have")),
    }
}

fn number_end(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let digits = |at: usize| match bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count() {
        0 => Err(syntax(bytes, at, "expected a digit")),
        count => Ok(at + count),
    };
    let mut at = start + usize::from(bytes[start] == b'-');
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(at)?;
    }
    Ok(at)
}
