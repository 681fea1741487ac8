//! Durations and sizes as people type them.

use std::time::Duration;

/// `500ms`, `30s`, `2m`, `1h`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("\"{text}\" is not a time: say 500ms, 30s, 2m or 1h");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| bad())?;
    let seconds = match &text[end..] {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86400.0,
        _ => return Err(bad()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

/// `1500`, `10kb`, `32mb`, `1gb`, in powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("\"{text}\" is not a size: say 500kb, 10mb or 1gb");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| bad())?;
    let unit: f64 = match text[end..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(bad()),
    };
    Ok((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_times_and_sizes_in_many_ways() {
        let times = ["500ms", "30s", "30", "1.5m", "1h"].map(|t| duration(t).unwrap().as_millis());
        assert_eq!(times, [500, 30_000, 30_000, 90_000, 3_600_000]);
        assert_eq!(["1500", "10kb", "32MB"].map(|t| size(t).unwrap()), [1500, 10_240, 33_554_432]);
        for bad in ["", "s", "5 parsecs", "-1s", "1e999h"] {
            assert!(duration(bad).is_err() && size(bad).is_err(), "{bad}");
        }
    }
}
