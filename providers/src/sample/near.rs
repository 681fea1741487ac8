//! What somebody may have meant.

const MAX_NEAR: usize = 5;

/// The names that are closest to this one, best first; empty when none is close.
pub fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut found: Vec<(usize, &str)> = names.filter_map(|name| Some((distance(&wanted, name)?, name))).collect();
    found.sort();
    found.dedup();
    found.into_iter().take(MAX_NEAR).map(|(_, name)| name.to_owned()).collect()
}

/// `None` when it is too far to be meant.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    if wanted.is_empty() {
        return Some(name.len());
    }
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    if words(wanted) == words(&name) {
        return Some(0);
    }
    let edits = edits(wanted, &name);
    if edits <= 2 + wanted.len() / 5 {
        return Some(edits);
    }
    // A part of the name, or the same words in another order.
    if name.contains(wanted) {
        return Some(100 + name.len() - wanted.len());
    }
    let (asked, there) = (words(wanted), words(&name));
    let alike = |a: &String| there.iter().any(|b| a == b || a.len() > 3 && edits_within_one(a, b));
    let shared = asked.iter().filter(|word| alike(word)).count();
    (shared > 0).then(|| 1000 * (1 + asked.len() - shared) + there.len())
}

fn edits_within_one(a: &str, b: &str) -> bool {
    edits(a, b) <= 1
}

/// How many characters have to be changed, added or taken away.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(120).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(120).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_parts_and_other_separators_are_near() {
        let names = ["payment_intent.succeeded", "payment_intent.created", "charge.failed", "charge.succeeded"];
        let near = |wanted| near(wanted, names.iter().copied());
        assert_eq!(near("payment_intent.suceeded")[0], "payment_intent.succeeded");
        assert_eq!(near("PaymentIntent-succeeded")[0], "payment_intent.succeeded");
        assert_eq!(near("charge_failed")[0], "charge.failed");
        assert_eq!(near("failed.charge")[0], "charge.failed");
        assert_eq!(near("intent"), ["payment_intent.created", "payment_intent.succeeded"]);
        assert!(near("zzz").is_empty());
    }
}
