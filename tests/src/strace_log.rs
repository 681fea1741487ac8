//! The lines of an strace log, put together again where strace had to break them.

use std::collections::HashMap;
use std::path::PathBuf;

/// One system call of a traced process.
pub(crate) struct Call {
    pub name: String,
    /// The line where it began.
    pub begun: usize,
    /// The line where it returned; none when the process died in it.
    pub ended: Option<usize>,
    pub result: Option<i64>,
    arguments: Vec<u8>,
}

/// All of them, in the order in which they began.
pub(crate) fn calls(log: &[u8]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: HashMap<&[u8], usize> = HashMap::new();
    for (number, line) in log.split(|b| *b == b'\n').enumerate() {
        let Some(space) = line.iter().position(|b| *b == b' ') else { continue };
        let (thread, rest) = (&line[..space], without_time(line[space..].trim_ascii()));
        if rest.starts_with(b"<... ") {
            if let Some(call) = open.remove(thread).map(|at| &mut calls[at]) {
                call.result = result(rest);
                // A call that the process died in may come back without a result, and nobody knows what it did.
                call.ended = call.result.map(|_| number);
                // What is read is known only now.
                let from = find(rest, b"resumed>").map_or(rest.len(), |at| at + 8);
                call.arguments.extend(without_result(&rest[from..]));
            }
            continue;
        }
        let Some(bracket) = rest.iter().position(|b| *b == b'(') else { continue };
        let name = String::from_utf8_lossy(&rest[..bracket]).into_owned();
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            continue;
        }
        let arguments = &rest[bracket + 1..];
        let call = match arguments.strip_suffix(b"<unfinished ...>") {
            Some(arguments) => {
                open.insert(thread, calls.len());
                Call { name, begun: number, ended: None, result: None, arguments: arguments.to_vec() }
            }
            None => {
                let result = result(arguments);
                Call {
                    name,
                    begun: number,
                    ended: result.map(|_| number),
                    result,
                    arguments: without_result(arguments),
                }
            }
        };
        calls.push(call);
    }
    calls
}

impl Call {
    pub fn failed(&self) -> bool {
        self.result.is_some_and(|r| r < 0)
    }

    pub fn succeeded(&self) -> bool {
        self.result.is_some_and(|r| r >= 0)
    }

    /// What is behind its file descriptor, unless that has no name any more.
    pub fn file(&self) -> Option<String> {
        let from = self.arguments.iter().position(|b| *b == b'<')?;
        if !self.arguments[..from].iter().all(u8::is_ascii_digit) {
            return None;
        }
        // An address has an arrow in it.
        let angle = |i: &usize| self.arguments[*i] == b'>' && self.arguments[i - 1] != b'-';
        let to = (from + 1..self.arguments.len()).find(angle)?;
        if self.arguments[to..].starts_with(b">(deleted)") {
            return None;
        }
        Some(String::from_utf8(unescaped(&self.arguments[from + 1..to])).expect("a path in UTF-8"))
    }

    /// The file that it is about, by descriptor or by name.
    pub fn path(&self) -> Option<PathBuf> {
        let by_name = self.arguments.starts_with(b"\"") || self.arguments.starts_with(b"AT_FDCWD");
        let name =
            if by_name { String::from_utf8(self.bytes()).ok().filter(|n| n.starts_with('/')) } else { self.file() };
        name.map(PathBuf::from)
    }

    /// It looked at what comes next, and left it there.
    pub fn peeked(&self) -> bool {
        find_last(&self.arguments, b"MSG_PEEK").is_some()
    }

    /// All that it has in quotes: what is written or read, or a name.
    pub fn bytes(&self) -> Vec<u8> {
        let parts: Vec<&[u8]> = self.arguments.split(|b| *b == b'"').collect();
        assert!(!parts.iter().skip(2).step_by(2).any(|p| p.starts_with(b"...")), "strace cut a {} short", self.name);
        parts.iter().skip(1).step_by(2).flat_map(|part| unescaped(part)).collect()
    }

    /// Its last argument.
    pub fn last_number(&self) -> usize {
        let last = self.arguments.rsplit(|b| *b == b',').next().unwrap_or_default();
        let text = String::from_utf8_lossy(last.trim_ascii()).into_owned();
        text.parse().unwrap_or_else(|_| panic!("the last argument of {} is {text:?}", self.name))
    }
}

/// A line after its time, if it has one.
fn without_time(line: &[u8]) -> &[u8] {
    match line.iter().position(|b| *b == b' ') {
        Some(space) if line[..space].iter().all(|b| b.is_ascii_digit() || *b == b'.') => line[space..].trim_ascii(),
        _ => line,
    }
}

fn without_result(line: &[u8]) -> Vec<u8> {
    let arguments = line[..find_last(line, b" = ").unwrap_or(line.len())].trim_ascii_end();
    arguments.strip_suffix(b")").unwrap_or(arguments).to_vec()
}

/// The number behind the last `=`; none when the process died in the call.
fn result(line: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(&line[find_last(line, b" = ")? + 3..]).into_owned();
    text.split_whitespace().next()?.parse().ok()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

fn find_last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|w| w == what)
}

/// Text in which bytes are written as `\x7f`; others stand for themselves.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let mut bytes = Vec::with_capacity(text.len() / 4 + 1);
    let mut rest = text;
    while let Some(first) = rest.first() {
        match rest {
            [b'\\', b'x', high, low, ..] => {
                bytes.push(digit(*high).zip(digit(*low)).map_or(b'?', |(high, low)| high * 16 + low));
                rest = &rest[4..];
            }
            _ => {
                bytes.push(*first);
                rest = &rest[1..];
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_its_process_died_in_has_no_end() {
        let log = br#"10 pwrite64(3</a>, "x", 1, 0) = 1
10 pwrite64(3</a>, "x", 1, 1 <unfinished ...>
11 pwrite64(3</a>, "x", 1, 2 <unfinished ...>
10 <... pwrite64 resumed>) = 1
11 <... pwrite64 resumed>) = ?
12 pwrite64(3</a>, "x", 1, 3) = ?
13 pwrite64(3</a>, "x", 1, 4 <unfinished ...>
"#;
        let ends: Vec<_> = calls(log).iter().map(|call| call.ended).collect();
        assert_eq!(ends, [Some(0), Some(3), None, None, None]);
    }
}
