use super::error::{FilterError, Problem, shown};
use super::json::JsonTest;
use super::key::Key;
use super::matcher::{Matcher, Word};
use super::term::{Field, Term, TermKind};
use super::value::{self, Clock, Op};
use crate::json::Path;

/// Bounds on what one query may cost, far above what a person types.
const MAX_BYTES: usize = 4096;
const MAX_TERMS: usize = 64;

pub(super) fn parse(text: &str, clock: Clock) -> Result<Vec<Term>, FilterError> {
    let error = |span, Problem { message, suggestion }| FilterError { span, message, suggestion };
    if text.len() > MAX_BYTES {
        return Err(error(0..text.len(), Problem::new(format!("a filter has at most {MAX_BYTES} bytes"))));
    }
    let mut parser = Parser { text, at: 0, clock };
    let mut terms = Vec::new();
    loop {
        parser.at += parser.rest().len() - parser.rest().trim_start().len();
        let start = parser.at;
        if parser.rest().is_empty() {
            return Ok(terms);
        }
        let term = match terms.len() {
            MAX_TERMS => Err(Problem::new(format!("a filter has at most {MAX_TERMS} terms"))),
            _ => parser.term(),
        };
        match term {
            Ok(term) => terms.push(term),
            Err(problem) => {
                parser.at += parser.until(char::is_whitespace).len();
                return Err(error(start..parser.at, problem));
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    clock: Clock,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn until(&self, stop: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(stop).unwrap_or(rest.len())]
    }

    fn eat(&mut self, text: &str) -> bool {
        let eaten = self.rest().starts_with(text);
        self.at += if eaten { text.len() } else { 0 };
        eaten
    }

    fn at_end(&self) -> bool {
        self.rest().chars().next().is_none_or(char::is_whitespace)
    }

    fn term(&mut self) -> Result<Term, Problem> {
        let negated = self.eat("-");
        if self.at_end() {
            return Err(Problem::new("after - comes a word or a key"));
        }
        if self.rest().starts_with('"') {
            let text = self.quoted()?;
            self.expect_end()?;
            if text.is_empty() {
                return Err(Problem::new("there is nothing between the quotes"));
            }
            return Ok(Term { negated, kind: TermKind::Text(Matcher::text(&text)?) });
        }
        let word = self.until(char::is_whitespace);
        if let Some(name) = key_name(word) {
            self.at += name.len() + 1;
            let (is_not, kind) = self.field(name, &word[name.len() + 1..])?;
            return Ok(Term { negated: negated != is_not, kind });
        }
        self.at += word.len();
        Ok(Term { negated, kind: TermKind::Text(Matcher::text(word)?) })
    }

    /// Reads what follows `name:`. The flag says that the operator was `!=`.
    fn field(&mut self, name: &str, rest: &str) -> Result<(bool, TermKind), Problem> {
        let (key, header) = match name.split_once('.') {
            Some((first, header)) if first.eq_ignore_ascii_case("header") => (Some(Key::Header), header),
            _ => (Key::named(name), ""),
        };
        let key = key.ok_or_else(|| Problem::bad_key(name, rest))?;
        if key == Key::Header && header.is_empty() {
            return Err(Problem::new("header: needs a name, like header.user-agent:curl"));
        }
        let path = if key == Key::Json { Some(self.path()?) } else { None };
        let sign = Op::ALL.into_iter().find(|(sign, _)| self.eat(sign));
        if let Some((sign, op)) = sign
            && !takes(key, op)
        {
            return Err(Problem::new(format!("{}: does not take {sign}, write {}", key.name(), key.example())));
        }
        let op = sign.map(|(_, op)| op);
        let kind = if let Some(path) = path {
            TermKind::Json(path, self.json_test(op)?)
        } else if op == Some(Op::Regex) {
            text_term(key, header, Matcher::regex(&self.pattern(key)?)?)
        } else {
            let words = self.words(key, op)?;
            self.plain_term(key, header, op, &words)?
        };
        Ok((op == Some(Op::IsNot), kind))
    }

    fn path(&mut self) -> Result<Path, Problem> {
        let (path, after) = Path::parse_prefix(self.rest()).map_err(|error| Problem::new(format!("json: {error}")))?;
        self.at = self.text.len() - after.len();
        Ok(path)
    }

    fn json_test(&mut self, op: Option<Op>) -> Result<JsonTest, Problem> {
        let accepts = match op {
            None if self.at_end() => return Ok(JsonTest::exists()),
            None => {
                let odd = shown(self.until(char::is_whitespace));
                return Err(Problem::new(format!("json: after the path comes = != > >= < <= or ~, not {odd}")));
            }
            Some(Op::Regex) => return Ok(JsonTest::pattern(Matcher::regex(&self.pattern(Key::Json)?)?)),
            Some(Op::Is | Op::IsNot) => return JsonTest::one_of(&self.words(Key::Json, op)?),
            Some(Op::Greater) => std::cmp::Ordering::is_gt,
            Some(Op::GreaterOrSame) => std::cmp::Ordering::is_ge,
            Some(Op::Less) => std::cmp::Ordering::is_lt,
            Some(Op::LessOrSame) => std::cmp::Ordering::is_le,
        };
        let word = only(Key::Json, self.words(Key::Json, op)?)?;
        Ok(JsonTest::ordered(word, accepts))
    }

    fn plain_term(&self, key: Key, header: &str, op: Option<Op>, words: &[Word]) -> Result<TermKind, Problem> {
        let first = || only(key, words.to_vec());
        let spans = || value::spans(key, op.unwrap_or(Op::Is), words);
        Ok(match key {
            Key::Status => value::status(op.unwrap_or(Op::Is), words)?,
            Key::Ms => TermKind::Ms(spans()?),
            Key::Size => TermKind::Size(spans()?),
            Key::Since => TermKind::Since(value::moment(key, &first()?, self.clock)?),
            Key::Before => TermKind::Before(value::moment(key, &first()?, self.clock)?),
            Key::Replay => TermKind::Replayed(value::yes_or_no(key, &first()?)?),
            Key::Delivered => TermKind::Delivered(value::yes_or_no(key, &first()?)?),
            Key::Marked => TermKind::Marked(value::yes_or_no(key, &first()?)?),
            Key::Id if op.is_some_and(Op::is_order) => TermKind::Id { numbers: spans()?, names: Matcher::whole(&[])? },
            Key::Id => {
                let numbers = words.iter().filter_map(|word| value::event_number(&word.text));
                TermKind::Id { numbers: numbers.map(|number| number..=number).collect(), names: Matcher::whole(words)? }
            }
            Key::Sig => {
                let known = |word: &&Word| key.words().iter().any(|known| known.eq_ignore_ascii_case(&word.text));
                if let Some(odd) = words.iter().find(|word| !known(word)) {
                    return Err(Problem::bad_word(key, &odd.text, &format!("one of {}", key.words().join(" "))));
                }
                text_term(key, header, Matcher::whole(words)?)
            }
            Key::Path | Key::Header | Key::Body | Key::Resp | Key::Ct if op.is_none() => {
                text_term(key, header, Matcher::part(words)?)
            }
            _ => text_term(key, header, Matcher::whole(words)?),
        })
    }

    /// Reads `word`, `"quoted"`, or a list of them.
    fn words(&mut self, key: Key, op: Option<Op>) -> Result<Vec<Word>, Problem> {
        let mut words = Vec::new();
        loop {
            let quoted = self.rest().starts_with('"');
            let text = if quoted { self.quoted()? } else { self.bare() };
            if text.is_empty() && !quoted {
                let before = if words.is_empty() { "needs a value" } else { "has a comma without a value" };
                return Err(Problem::new(format!("{}: {before}, write {}", key.name(), key.example())));
            }
            words.push(Word { text, quoted });
            if !self.eat(",") {
                break;
            }
        }
        self.expect_end()?;
        if words.len() > 1 && op.is_some_and(Op::is_order) {
            only(key, words.clone())?;
        }
        Ok(words)
    }

    fn bare(&mut self) -> String {
        let word = self.until(|char| char.is_whitespace() || char == ',');
        self.at += word.len();
        word.to_owned()
    }

    /// A regex may hold commas and quotes; only white space ends it, or the closing quote where it began with one.
    fn pattern(&mut self, key: Key) -> Result<String, Problem> {
        let pattern = if self.rest().starts_with('"') {
            self.quoted()?
        } else {
            let pattern = self.until(char::is_whitespace);
            self.at += pattern.len();
            pattern.to_owned()
        };
        self.expect_end()?;
        if pattern.is_empty() {
            return Err(Problem::new(format!("{}: needs a regex after ~", key.name())));
        }
        Ok(pattern)
    }

    /// Only `\"` and `\\` are escapes, so that `"\d+"` is still a regex.
    fn quoted(&mut self) -> Result<String, Problem> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => text.push(chars.next_if(|(_, next)| matches!(next, '"' | '\\')).map_or('\\', |(_, next)| next)),
                char => text.push(char),
            }
        }
        self.at = self.text.len();
        Err(Problem::new("the quote is not closed"))
    }

    fn expect_end(&self) -> Result<(), Problem> {
        if self.at_end() { Ok(()) } else { Err(Problem::new("after a closing quote comes a space")) }
    }
}

/// The name of a key, where a word begins like `name:`. Addresses (`http://x`) do, but are text.
fn key_name(word: &str) -> Option<&str> {
    let (name, rest) = word.split_once(':')?;
    let in_header = name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("header."));
    let is_part = |char: char| {
        char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.') || (in_header && "!#$%&'*+^`|~".contains(char))
    };
    let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic()) && name.chars().all(is_part);
    (is_name && !rest.starts_with("//")).then_some(name)
}

fn takes(key: Key, op: Op) -> bool {
    match key {
        Key::Json | Key::Id => true,
        Key::Status | Key::Ms | Key::Size => op != Op::Regex,
        Key::Sig | Key::Replay | Key::Delivered | Key::Marked => matches!(op, Op::Is | Op::IsNot),
        Key::Since | Key::Before => false,
        _ => !op.is_order(),
    }
}

fn only(key: Key, mut words: Vec<Word>) -> Result<Word, Problem> {
    match (words.pop(), words.is_empty()) {
        (Some(word), true) => Ok(word),
        _ => Err(Problem::new(format!("{}: takes one value here, not a list", key.name()))),
    }
}

fn text_term(key: Key, header: &str, matcher: Matcher) -> TermKind {
    let field = match key {
        Key::Header => return TermKind::Header(header.to_ascii_lowercase(), matcher),
        Key::Id => return TermKind::Id { numbers: Vec::new(), names: matcher },
        Key::Provider => Field::Provider,
        Key::Sig => Field::Verdict,
        Key::Method => Field::Method,
        Key::Path => Field::Path,
        Key::Ct => Field::ContentType,
        Key::Body => Field::Body,
        Key::Resp => Field::Response,
        // The other keys are no text and do not come here.
        _ => Field::Type,
    };
    TermKind::Field(field, matcher)
}
