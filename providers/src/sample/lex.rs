//! The words of a samples file.

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// A whole number, or a duration in seconds.
    Int(i64),
    Number(String),
    /// The source of a text, with its holes still in it.
    Text(String),
    /// One of `{}[]():,.+-*/=|` or `…` for three points.
    Mark(char),
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, line: usize) -> Self {
        Lexer { text, at: 0, line }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// What stands before the next colon that a space follows: the names of a type, which have marks of their own.
    pub(super) fn until_colon(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let colon = rest.find(": ")?;
        self.at += colon + 1;
        Some(rest[..colon].trim())
    }

    pub(super) fn next(&mut self) -> Result<Option<(Token, usize)>, String> {
        self.space();
        let line = self.line;
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let token = match first {
            '"' => Token::Text(self.quoted()?),
            'a'..='z' | 'A'..='Z' | '_' => Token::Name(self.take(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()),
            '0'..='9' => self.number()?,
            '.' if rest.starts_with("...") => {
                self.at += 3;
                Token::Mark('…')
            }
            '{' | '}' | '[' | ']' | '(' | ')' | ':' | ',' | '.' | '+' | '-' | '*' | '/' | '=' | '|' => {
                self.at += 1;
                Token::Mark(first)
            }
            other => return Err(format!("\"{other}\" cannot stand here")),
        };
        Ok(Some((token, line)))
    }

    fn space(&mut self) {
        let mut comment = false;
        for c in self.text[self.at..].chars() {
            match c {
                '\n' => {
                    self.line += 1;
                    comment = false;
                }
                '#' => comment = true,
                c if comment || c.is_whitespace() => {}
                _ => return,
            }
            self.at += c.len_utf8();
        }
    }

    fn take(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c| !is(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn number(&mut self) -> Result<Token, String> {
        let digits = self.take(|c| c.is_ascii_digit() || c == '_').replace('_', "");
        let rest = &self.text[self.at..];
        let mut chars = rest.chars();
        if chars.next() == Some('.') && chars.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            let fraction = self.take(|c| c.is_ascii_digit());
            return Ok(Token::Number(format!("{digits}.{fraction}")));
        }
        let number: i64 = digits.parse().map_err(|_| format!("{digits} is too large"))?;
        let unit = self.take(|c| c.is_ascii_alphabetic());
        let seconds = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(format!("\"{unit}\" is not a unit of time")),
        };
        Ok(Token::Int(number * seconds))
    }

    /// What stands between the quotes. A hole may have quotes of its own.
    fn quoted(&mut self) -> Result<String, String> {
        self.at += 1;
        let rest = &self.text[self.at..];
        let end = end(rest, '"').ok_or("a text does not end")?;
        self.at += end + 1;
        self.line += rest[..end].matches('\n').count();
        Ok(rest[..end].to_owned())
    }
}

/// Where that ends which began before `text`: a text at its quote, a hole or an object in one at its brace.
fn end(text: &str, closing: char) -> Option<usize> {
    let in_text = closing == '"';
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        at += match rest.chars().next()? {
            c if c == closing => return Some(at),
            '\\' if in_text => 1 + rest[1..].chars().next()?.len_utf8(),
            '{' if in_text && rest.starts_with("{{") => 2,
            '{' => 2 + end(&rest[1..], '}')?,
            '"' => 2 + end(&rest[1..], '"')?,
            other => other.len_utf8(),
        };
    }
}

/// One piece of a text: as it is, or the source of a hole.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'t> {
    Plain(String),
    Hole(&'t str),
}

pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let escaped = rest.chars().next().ok_or("a text ends in a \\")?;
                rest = &rest[escaped.len_utf8()..];
                plain.push(match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                });
            }
            '{' | '}' if rest.starts_with(c) => {
                rest = &rest[1..];
                plain.push(c);
            }
            '{' => {
                let end = end(rest, '}').ok_or("a hole in a text does not end")?;
                if !plain.is_empty() {
                    out.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                out.push(Piece::Hole(&rest[..end]));
                rest = &rest[end + 1..];
            }
            '}' => return Err("a } in a text has no { (write }} for the character)".to_owned()),
            c => plain.push(c),
        }
    }
    if !plain.is_empty() || out.is_empty() {
        out.push(Piece::Plain(plain));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_may_hold_texts_and_braces() {
        let source = r#""a {join(x, "}}, {y}")} \"b\" {{c}}" rest"#;
        let mut lexer = Lexer::new(source, 1);
        let Ok(Some((Token::Text(text), 1))) = lexer.next() else { panic!("it begins with a text") };
        let hole = r#"join(x, "}}, {y}")"#;
        let expected = [Piece::Plain("a ".into()), Piece::Hole(hole), Piece::Plain(" \"b\" {c}".into())];
        assert_eq!(pieces(&text).as_deref(), Ok(&expected[..]));
        assert_eq!(lexer.next(), Ok(Some((Token::Name("rest".into()), 1))));
    }

    #[test]
    fn numbers_may_have_a_unit_of_time() {
        let mut lexer = Lexer::new("3d 90 1.50 # a comment\n2h", 1);
        let mut all = Vec::new();
        while let Ok(Some(token)) = lexer.next() {
            all.push(token);
        }
        assert_eq!(
            all,
            [(Token::Int(259_200), 1), (Token::Int(90), 1), (Token::Number("1.50".into()), 1), (Token::Int(7200), 2)]
        );
        assert!(Lexer::new("3years", 1).next().is_err());
    }
}
