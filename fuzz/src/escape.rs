//! What is shown: no control, nothing that hides or reorders, done once for all, and of bounded size.

use hook_cli::sanitize::{cut, cut_middle, sanitize, sanitize_block, sanitize_block_bytes, sanitize_bytes};
use unicode_width::UnicodeWidthStr;

pub fn holds(data: &[u8]) {
    let (line, block) = (sanitize_bytes(data), sanitize_block_bytes(data));
    for (shown, newlines) in [(&line, false), (&block, true)] {
        let harmful = shown.chars().find(|char| is_harmful(*char) && !(newlines && *char == '\n'));
        assert_eq!(harmful, None, "in {shown:?}");
        // A byte takes four characters at most, and the longest escape is nine for a character of four bytes.
        assert!(shown.len() <= 4 * data.len());
    }
    assert_eq!((sanitize(&line), sanitize_block(&block)), (line.clone(), block.clone()), "nothing is left to do");
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!((sanitize(text), sanitize_block(text)), (line.clone(), block));
        assert!(text.chars().any(is_harmful) || line == text, "harmless text stays as it is");
    }
    let columns = usize::from(data.first().copied().unwrap_or(0) % 40);
    for short in [cut(&line, columns), cut_middle(&line, columns)] {
        assert!(
            short.width() <= columns && short.len() <= line.len() + '…'.len_utf8(),
            "{short:?} in {columns} columns"
        );
        assert!(!short.chars().any(is_harmful));
    }
}

/// Named here once more, by what it does to a reader, not as the product names it.
fn is_harmful(char: char) -> bool {
    let control = char.is_control() && char != '\t';
    let directions = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}";
    let invisible = "\u{200b}\u{200c}\u{200d}\u{2028}\u{2029}\u{feff}";
    // Isolates, invisible operators, and marks that Unicode gave up; a hidden copy of ASCII.
    let ranges = ['\u{2060}'..='\u{206f}', '\u{e0000}'..='\u{e007f}'];
    control || ranges.iter().any(|range| range.contains(&char)) || directions.contains(char) || invisible.contains(char)
}
