//! How JavaScript and Python print the numbers they have read.

/// `JSON.stringify(JSON.parse(text))`; Go and Jackson print floats the same way.
pub(super) fn javascript(text: &str) -> String {
    let Some((sign, digits, point)) = shortest(text) else { return "0".to_owned() };
    let n = digits.len() as i32;
    let body = match point {
        1..=21 if n <= point => format!("{digits}{}", "0".repeat((point - n) as usize)),
        1..=21 => format!("{}.{}", &digits[..point as usize], &digits[point as usize..]),
        -5..=0 => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        _ => exponent(&digits, point - 1, 1),
    };
    format!("{sign}{body}")
}

/// `json.dumps(json.loads(text))`: whole numbers keep all digits, floats are printed by `repr`.
pub(super) fn python(text: &str) -> String {
    if !text.contains(['.', 'e', 'E']) {
        return if text == "-0" { "0".to_owned() } else { text.to_owned() };
    }
    let Some((sign, digits, point)) = shortest(text) else {
        return if text.starts_with('-') { "-0.0" } else { "0.0" }.to_owned();
    };
    let n = digits.len() as i32;
    let body = match point {
        1..=16 if n <= point => format!("{digits}{}.0", "0".repeat((point - n) as usize)),
        1..=16 => format!("{}.{}", &digits[..point as usize], &digits[point as usize..]),
        -3..=0 => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        _ => exponent(&digits, point - 1, 2),
    };
    format!("{sign}{body}")
}

/// Sign, shortest digits that read back as the same double, and where the point stands among them; `None` for zero and
/// for what no double can hold.
fn shortest(text: &str) -> Option<(&'static str, String, i32)> {
    let value: f64 = text.parse().ok()?;
    if value == 0.0 || !value.is_finite() {
        return None;
    }
    let printed = format!("{:e}", value.abs());
    let (digits, exponent) = printed.split_once('e')?;
    let sign = if value < 0.0 { "-" } else { "" };
    Some((sign, digits.replace('.', ""), exponent.parse::<i32>().ok()? + 1))
}

fn exponent(digits: &str, exponent: i32, width: usize) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:0width$}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_each_language_prints_them() {
        let table = [
            ("1", "1", "1"),
            ("1.0", "1", "1.0"),
            ("1.50", "1.5", "1.5"),
            ("-0", "0", "0"),
            ("-0.0", "0", "-0.0"),
            ("1e2", "100", "100.0"),
            ("12345678901234567890", "12345678901234567000", "12345678901234567890"),
            ("0.000001", "0.000001", "1e-06"),
            ("0.0000001", "1e-7", "1e-07"),
            ("1e21", "1e+21", "1e+21"),
            ("1.5e300", "1.5e+300", "1.5e+300"),
            ("1e16", "10000000000000000", "1e+16"),
            ("0.0001", "0.0001", "0.0001"),
            ("398.00", "398", "398.0"),
        ];
        for (text, js, py) in table {
            assert_eq!((javascript(text).as_str(), python(text).as_str()), (js, py), "{text}");
        }
    }
}
