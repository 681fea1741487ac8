//! What a value must look like before it is signed for whoever asks: `[A-Za-z0-9_-]{1,64}`.

/// Longer than the challenge of any provider.
const LONGEST: usize = 256;

/// One class of characters, and how many of them. None of those that structure what providers sign (JSON, XML, a timestamp
/// and a dot or colon before the body), so that an answer is never the signature of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Only {
    ranges: Vec<(u8, u8)>,
    least: usize,
    most: usize,
}

impl Only {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" is not of the form [A-Za-z0-9_-]{{1,64}}");
        let (class, lengths) = text.strip_prefix('[').and_then(|rest| rest.split_once("]{")).ok_or_else(bad)?;
        let lengths = lengths.strip_suffix('}').ok_or_else(bad)?;
        let (least, most) = lengths.split_once(',').unwrap_or((lengths, lengths));
        let number = |text: &str| text.parse::<usize>().map_err(|_| bad());
        let only = Only { ranges: ranges(class.as_bytes()), least: number(least)?, most: number(most)? };
        let in_order = only.ranges.iter().all(|(from, to)| from <= to);
        if only.ranges.is_empty() || !in_order || only.least == 0 || only.least > only.most {
            return Err(bad());
        }
        if only.most > LONGEST {
            return Err(format!("\"{text}\" lets through more than {LONGEST} characters"));
        }
        let harmless = |b: u8| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b);
        if !only.ranges.iter().all(|(from, to)| (*from..=*to).all(harmless)) {
            return Err(format!("\"{text}\" lets through more than letters, digits and + / = _ -"));
        }
        Ok(only)
    }

    pub(crate) fn fits(&self, value: &[u8]) -> bool {
        let is_in = |b: &u8| self.ranges.iter().any(|(from, to)| (from..=to).contains(&b));
        (self.least..=self.most).contains(&value.len()) && value.iter().all(is_in)
    }
}

fn ranges(mut class: &[u8]) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    loop {
        class = match class {
            [] => return found,
            [from, b'-', to, rest @ ..] => {
                found.push((*from, *to));
                rest
            }
            [one, rest @ ..] => {
                found.push((*one, *one));
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_such_values_fit() {
        let only = Only::parse("[A-Za-f0-9_-]{2,4}").expect("it is one");
        for (value, fits) in
            [("Zf9_", true), ("a-", true), ("a", false), ("abcde", false), ("ag", false), ("a:", false), ("", false)]
        {
            assert_eq!(only.fits(value.as_bytes()), fits, "{value}");
        }
        assert!(Only::parse("[0-9]{3}").is_ok_and(|only| only.fits(b"123") && !only.fits(b"12")));
    }

    #[test]
    fn what_could_be_an_event_is_never_let_through() {
        for (text, part) in [
            ("[a-z]", "not of the form"),
            ("[]{1,2}", "not of the form"),
            ("[z-a]{1,2}", "not of the form"),
            ("[a-z]{0,2}", "not of the form"),
            ("[a-z]{3,2}", "not of the form"),
            ("[a-z]{1,x}", "not of the form"),
            ("[a-z]{1,4096}", "more than 256"),
            ("[a-z{]{1,2}", "more than letters"),
            ("[ -~]{1,2}", "more than letters"),
            ("[a-z.]{1,2}", "more than letters"),
        ] {
            let error = Only::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
