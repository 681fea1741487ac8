use std::cmp::Ordering;

/// A number exactly as its text says it: ids of 64 bits and more must not be rounded on the way to a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// The digits that count, as ASCII, without zeros at either end; none for zero.
    digits: Vec<u8>,
    /// The value is `0.DIGITS` times ten to this power.
    power: i64,
}

impl Decimal {
    /// Takes what JSON calls a number.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).map_or((rest, None), |(m, e)| (m, Some(e)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) || !fraction.is_none_or(all_digits) {
            return None;
        }
        let exponent = match exponent {
            None => 0,
            Some(text) => {
                let (sign, digits) = match text.as_bytes().first()? {
                    b'-' => (-1, &text[1..]),
                    b'+' => (1, &text[1..]),
                    _ => (1, text),
                };
                // A power beyond all sense still compares as very great or very small.
                all_digits(digits).then(|| sign * digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 60))?
            }
        };
        let mut digits = [whole, fraction.unwrap_or_default()].concat().into_bytes();
        let leading = digits.iter().take_while(|&&digit| digit == b'0').count();
        digits.drain(..leading);
        digits.truncate(digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1));
        if digits.is_empty() {
            return Some(Self { negative: false, digits, power: 0 });
        }
        let power = exponent + whole.len() as i64 - leading as i64;
        Some(Self { negative, digits, power })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = || self.power.cmp(&other.power).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => size(),
            _ => size().reverse(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(a: &str, b: &str) -> Option<Ordering> {
        Some(Decimal::parse(a)?.cmp(&Decimal::parse(b)?))
    }

    #[test]
    fn numbers_compare_by_value_not_by_spelling() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, order) in [
            ("1", "1.00", Equal),
            ("1e3", "1000", Equal),
            ("-0", "0.0e7", Equal),
            ("0.001", "1E-3", Equal),
            ("18446744073709551616", "18446744073709551617", Less),
            ("9007199254740993", "9007199254740992", Greater),
            ("-2", "-1", Less),
            ("-1", "0", Less),
            ("0.1", "0", Greater),
            ("1e99999999999999999999", "9e99999", Greater),
            ("1e-99999999999999999999", "1e-5", Less),
        ] {
            assert_eq!(compare(a, b), Some(order), "{a} {b}");
            assert_eq!(compare(b, a), Some(order.reverse()), "{b} {a}");
        }
        for bad in ["", "-", "01", "+1", ".5", "5.", "1e", "1e+", "0x1", "1 ", "é", "1eé", "NaN"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn integers_compare_as_integers(a: i64, b: i64) {
            prop_assert_eq!(compare(&a.to_string(), &b.to_string()), Some(a.cmp(&b)));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eEé]{0,30}") {
            let _ = Decimal::parse(&text);
        }
    }
}
