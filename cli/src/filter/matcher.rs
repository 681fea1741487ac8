use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use super::error::{Problem, shown};

/// The most memory that one compiled pattern may take.
const PATTERN_LIMIT: usize = 1 << 20;

/// A test of one text. It takes bytes, because header values and bodies need not be UTF-8, and its time grows linearly
/// with them, whatever the pattern.
#[derive(Clone)]
pub struct Matcher {
    words: Vec<String>,
    pattern: Option<Regex>,
}

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub text: String,
    pub quoted: bool,
}

impl Word {
    fn is_glob(&self) -> bool {
        !self.quoted && self.text.contains('*')
    }
}

impl Matcher {
    /// One of the words, whole, or one of the globs among them.
    pub(super) fn whole<'w>(words: impl IntoIterator<Item = &'w Word>) -> Result<Self, Problem> {
        let (globs, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word.is_glob());
        let globs: Vec<_> = globs.into_iter().map(|word| glob(&word.text)).collect();
        let words = words.into_iter().map(|word| word.text.clone()).collect();
        let pattern = if globs.is_empty() { None } else { Some(compile(&any_of(&globs))?) };
        Ok(Self { words, pattern })
    }

    /// One of the words anywhere inside, or one of the globs among them as the whole.
    pub(super) fn part(words: &[Word]) -> Result<Self, Problem> {
        let parts: Vec<_> = words
            .iter()
            .map(|word| if word.is_glob() { glob(&word.text) } else { regex::escape(&word.text) })
            .collect();
        Ok(Self { words: Vec::new(), pattern: Some(compile(&any_of(&parts))?) })
    }

    /// The text anywhere inside; case counts once it holds a capital.
    pub(super) fn text(text: &str) -> Result<Self, Problem> {
        let text_has_capital = text.chars().any(char::is_uppercase);
        let case = if text_has_capital { "" } else { "(?i)" };
        Ok(Self { words: Vec::new(), pattern: Some(compile(&format!("{case}{}", regex::escape(text)))?) })
    }

    pub(super) fn regex(pattern: &str) -> Result<Self, Problem> {
        Ok(Self { words: Vec::new(), pattern: Some(compile(pattern)?) })
    }

    pub fn is_match(&self, value: &[u8]) -> bool {
        self.words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(value))
            || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(value))
    }

    /// The words of which the value must be one, apart from the case of ASCII letters (what SQLite calls NOCASE).
    /// `None` where globs, parts or a regex are asked for too.
    pub fn exact_words(&self) -> Option<&[String]> {
        if self.pattern.is_none() { Some(&self.words) } else { None }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = self.pattern.as_ref().map(Regex::as_str);
        f.debug_struct("Matcher").field("words", &self.words).field("pattern", &pattern).finish()
    }
}

fn any_of(alternatives: &[String]) -> String {
    format!("(?i)(?:{})", alternatives.join("|"))
}

fn glob(text: &str) -> String {
    let mut pattern = String::from(r"\A");
    for (count, piece) in text.split('*').enumerate() {
        if count > 0 && !pattern.ends_with(ANYTHING) {
            pattern.push_str(ANYTHING);
        }
        pattern.push_str(&regex::escape(piece));
    }
    pattern.push_str(r"\z");
    pattern
}

/// Any bytes, also those that are not UTF-8.
const ANYTHING: &str = "(?s-u:.*)";

fn compile(pattern: &str) -> Result<Regex, Problem> {
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).build();
    built.map_err(|error| {
        let why = match &error {
            regex::Error::CompiledTooBig(_) => "it takes too much memory".to_owned(),
            // The message draws the pattern over many lines; the last one says what is wrong.
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim().trim_start_matches("error: ").to_owned()
            }
        };
        Problem::new(format!("{} is not a regex: {}", shown(pattern), shown_reason(&why)))
    })
}

fn shown_reason(why: &str) -> String {
    crate::sanitize::sanitize(why).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, quoted: bool) -> Word {
        Word { text: text.to_owned(), quoted }
    }

    #[test]
    fn words_globs_and_parts() {
        let whole = Matcher::whole(&[word("A.b", false), word("x*z", false), word("q*", true)]).expect("small");
        for (value, fits) in [
            (&b"a.B"[..], true),
            (b"a.b ", false),
            (b"aXb", false),
            (b"X\xff\nZ", true),
            (b"xz!", false),
            (b"q*", true),
            (b"qq", false),
        ] {
            assert_eq!(whole.is_match(value), fits, "{value:?}");
        }
        let part = Matcher::part(&[word("straße", false), word("*.x", false)]).expect("small");
        assert!(part.is_match("\u{1}STRAßE 3".as_bytes()) && part.is_match(b"a.X") && !part.is_match(b"a.xy"));
        assert!(part.exact_words().is_none());
        let exact = Matcher::whole(&[word("a", false)]).expect("small");
        assert_eq!(exact.exact_words(), Some(&["a".to_owned()][..]));
    }

    #[test]
    fn a_capital_makes_text_strict() {
        let lower = Matcher::text("größe.").expect("small");
        assert!(lower.is_match("Die GRÖSSE: größe.".as_bytes()) && !lower.is_match("größeX".as_bytes()));
        let capital = Matcher::text("Id").expect("small");
        assert!(capital.is_match(b"myId") && !capital.is_match(b"myid"));
    }

    #[test]
    fn a_bad_or_huge_regex_is_refused_on_one_line() {
        let message = |pattern: &str| Matcher::regex(pattern).err().map(|problem| problem.message).unwrap_or_default();
        assert_eq!(message("(a"), "(a is not a regex: unclosed group");
        assert_eq!(message(r"\w{1000}{1000}"), r"\w{1000}{1000} is not a regex: it takes too much memory");
        assert!(!message(&"(".repeat(5000)).contains('\n'));
    }
}
