//! Values that a text gives to variables in which secrets usually are: `STRIPE_WEBHOOK_SECRET=…`.

use std::collections::HashSet;

/// A shorter value is hardly a secret.
const SHORTEST: usize = 8;
/// Of fewer different characters is what stands for something: `xxxxxxxx`.
const DIFFERENT: usize = 5;
/// Words of examples.
const STANDS_FOR: [&str; 15] = [
    "your",
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "replace",
    "insert",
    "xxx",
    "dummy",
    "fake",
    "redacted",
    "todo",
    "_here",
    "-here",
];

/// Where the names stand that are given a value which is hardly an example. `prefixes` are those of secrets.
pub fn places(text: &str, names: &HashSet<String>, prefixes: &[String]) -> Vec<usize> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find(is_word).map(|n| at + n) {
        let end = text[begin..].find(|c| !is_word(c)).map_or(text.len(), |n| begin + n);
        at = end;
        if names.contains(&text[begin..end]) && value(&text[end..]).is_some_and(|value| is_secret(value, prefixes)) {
            found.push(begin);
        }
    }
    found
}

/// The value that follows a name, when it is text and no expression.
fn value(behind: &str) -> Option<&str> {
    let line = behind.lines().next()?;
    let rest = line.trim_start_matches(['"', '\'', '`', ']']);
    let (is_quoted, begins_at_once) = (rest.len() < line.len(), rest.starts_with('='));
    let rest = rest.trim_start();
    let operators = ["=>", ":=", "||=", "??=", "=", ":"];
    let rest = match operators.iter().find_map(|operator| rest.strip_prefix(operator)) {
        // What is compared is given nothing.
        Some(rest) if rest.starts_with(['=', '~']) => return None,
        Some(rest) => rest,
        // A function of name and value.
        None => rest.strip_prefix(',').filter(|_| is_quoted)?,
    };
    // As shells and their kin write it.
    let is_shell = begins_at_once && !rest.starts_with(' ');
    let rest = rest.trim_start();
    if let Some(quote) = rest.chars().next().filter(|c| ['"', '\'', '`'].contains(c)) {
        return rest[1..].split_once(quote).map(|(value, _)| value);
    }
    let value = rest.split(|c: char| c.is_whitespace() || ",;".contains(c)).next()?;
    // Elsewhere it may be an expression, and few of those have a digit.
    (has_digit(value) || is_shell && !value.contains('.')).then_some(value)
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
}

fn is_secret(value: &str, prefixes: &[String]) -> bool {
    let tail = prefixes.iter().find_map(|prefix| value.strip_prefix(prefix.as_str())).unwrap_or(value);
    // An expression, a reference, or what a template fills in.
    let is_text = tail.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-.:~!@%^&*?#".contains(&b));
    let is_name = value.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let is_place = value.contains("://") || value.contains("env.") || value.starts_with("var.");
    let lower = value.to_ascii_lowercase();
    let different = tail.bytes().collect::<HashSet<_>>().len();
    let counted = tail.as_bytes().windows(2).filter(|w| w[1] == w[0] || w[1] == w[0].wrapping_add(1)).count();
    is_text
        && !is_name
        && !is_place
        && tail.len() >= SHORTEST
        && different >= DIFFERENT
        && counted < tail.len() / 2
        && !STANDS_FOR.iter().any(|word| lower.contains(word))
        && (has_digit(value) || !lower.contains("secret"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Vec<usize> {
        let names = ["STRIPE_WEBHOOK_SECRET", "GITHUB_WEBHOOK_SECRET"].map(str::to_owned);
        places(text, &names.into(), &["whsec_".to_owned()])
    }

    #[test]
    fn a_literal_value_is_found_in_every_language() {
        for text in [
            "STRIPE_WEBHOOK_SECRET=whsec_q7Zk2mN4pR8s",
            "export STRIPE_WEBHOOK_SECRET='whsec_q7Zk2mN4pR8s' # prod",
            "  STRIPE_WEBHOOK_SECRET: \"whsec_q7Zk2mN4pR8s\"",
            "  STRIPE_WEBHOOK_SECRET: whsec_q7Zk2mN4pR8s",
            "{\"STRIPE_WEBHOOK_SECRET\": \"whsec_q7Zk2mN4pR8s\"}",
            "const STRIPE_WEBHOOK_SECRET = `whsec_q7Zk2mN4pR8s`;",
            "process.env.STRIPE_WEBHOOK_SECRET ??= 'whsec_q7Zk2mN4pR8s'",
            "ENV['STRIPE_WEBHOOK_SECRET'] ||= 'whsec_q7Zk2mN4pR8s'",
            "'STRIPE_WEBHOOK_SECRET' => 'whsec_q7Zk2mN4pR8s',",
            "define('STRIPE_WEBHOOK_SECRET', 'whsec_q7Zk2mN4pR8s');",
            "GITHUB_WEBHOOK_SECRET=hunter-two-is-mine",
            "GITHUB_WEBHOOK_SECRET = \"hunter-two-is-mine\"",
        ] {
            assert_eq!(at(text).len(), 1, "{text}");
        }
        assert_eq!(at("A=1\nSTRIPE_WEBHOOK_SECRET=whsec_q7Zk2mN4pR8s\n\nGITHUB_WEBHOOK_SECRET=5f1e9c3a7b2d"), [4, 46]);
    }

    #[test]
    fn what_stands_for_a_value_is_none() {
        for text in [
            "STRIPE_WEBHOOK_SECRET=",
            "STRIPE_WEBHOOK_SECRET=\"\"",
            "STRIPE_WEBHOOK_SECRET=\nOTHER=q7Zk2mN4pR8s",
            "STRIPE_WEBHOOK_SECRET=whsec_xxx",
            "STRIPE_WEBHOOK_SECRET=whsec_xxxxxxxxxxxxxxxxxxxxxxxx",
            "STRIPE_WEBHOOK_SECRET=whsec_...",
            "STRIPE_WEBHOOK_SECRET=whsec_…",
            "STRIPE_WEBHOOK_SECRET=whsec_1234567890abcdef",
            "STRIPE_WEBHOOK_SECRET=your_secret_here",
            "STRIPE_WEBHOOK_SECRET=whsec_your_signing_secret_1",
            "STRIPE_WEBHOOK_SECRET=<whsec of the dashboard>",
            "STRIPE_WEBHOOK_SECRET=<YOUR_SECRET_1>",
            "STRIPE_WEBHOOK_SECRET=${STRIPE_SECRET_2024}",
            "STRIPE_WEBHOOK_SECRET=$STRIPE_SECRET_2024",
            "STRIPE_WEBHOOK_SECRET=$(op read op://vault/stripe1)",
            "STRIPE_WEBHOOK_SECRET=op://vault/stripe1/secret",
            "STRIPE_WEBHOOK_SECRET: ${{ secrets.STRIPE_WEBHOOK_SECRET }}",
            "STRIPE_WEBHOOK_SECRET: z.string().min(12)",
            "STRIPE_WEBHOOK_SECRET: string;",
            "STRIPE_WEBHOOK_SECRET: undefined",
            "configure(A=1, STRIPE_WEBHOOK_SECRET=webhook_secret, B=2)",
            "configure(A=1, STRIPE_WEBHOOK_SECRET=settings.stripe, B=2)",
            "const STRIPE_WEBHOOK_SECRET = process.env.STRIPE_WEBHOOK_SECRET_2;",
            "STRIPE_WEBHOOK_SECRET = os.environ[\"STRIPE_WEBHOOK_SECRET\"]",
            "if (STRIPE_WEBHOOK_SECRET === 'whsec_q7Zk2mN4pR8s')",
            "env(STRIPE_WEBHOOK_SECRET)",
            "NEXT_STRIPE_WEBHOOK_SECRET=whsec_q7Zk2mN4pR8s",
            "read STRIPE_WEBHOOK_SECRET from the environment",
        ] {
            assert_eq!(at(text), [0; 0], "{text}");
        }
    }
}
