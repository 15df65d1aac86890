//! Texts of others for the eyes of people: an id, an error or a reason can't forge a line, or reach the terminal.

use std::fmt::{self, Display, Write};

/// A text whose control characters are shown as escapes: `\n`, `\u{1b}`. The rest stays as it is.
///
/// Escaped are also the characters that break a line or turn the direction of a text: what is shown would not be what is there.
/// A text that is escaped twice is the same.
///
/// ```
/// use saga_runtime::engine::Escaped;
///
/// assert_eq!(Escaped("paid\n\u{1b}[2Jsaga").to_string(), r"paid\n\u{1b}[2Jsaga");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Writes on with escapes.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut from = 0;
        for (at, character) in text.char_indices() {
            if is_escaped(character) {
                self.0.write_str(&text[from..at])?;
                write!(self.0, "{}", character.escape_default())?;
                from = at + character.len_utf8();
            }
        }
        self.0.write_str(&text[from..])
    }
}

fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Separators of lines and paragraphs, marks, embeddings, overrides and isolates of a direction.
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else() {
        for (text, shown) in [
            (
                "order 17 — ünïcode 🙂 \\n `x`",
                "order 17 — ünïcode 🙂 \\n `x`",
            ),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            (
                "\u{1b}[31mred\u{7f}\u{9b}0m",
                r"\u{1b}[31mred\u{7f}\u{9b}0m",
            ),
            ("a\u{202e}b\u{2028}c", r"a\u{202e}b\u{2028}c"),
            ("\0", r"\u{0}"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
            assert_eq!(Escaped(shown).to_string(), shown, "a second time");
        }
    }
}
