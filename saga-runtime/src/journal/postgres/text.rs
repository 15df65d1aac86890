//! Texts in columns. Postgres has no text with a NUL in it.

use std::borrow::Cow;

/// A text as a column holds it: `\` as `\\`, a NUL as `\0`. The beginning of a text stays the beginning.
pub(super) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '\0']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\\', "\\\\").replace('\0', "\\0"))
}

/// The text that a column holds.
pub(super) fn restored(stored: String) -> String {
    if !stored.contains('\\') {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut chars = stored.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            '\\' => match chars.next() {
                Some('0') => '\0',
                other => other.unwrap_or('\\'),
            },
            char => char,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back() {
        for text in ["", "a", "\0", "\\", "\\0", "a\0\\\0b\\\\", "ü\\0ü"] {
            assert!(!stored(text).contains('\0'));
            assert_eq!(restored(stored(text).into_owned()), text);
        }
    }

    #[test]
    fn the_beginning_of_a_text_stays_its_beginning() {
        let text = "a\\b\0c";
        for (index, _) in text.char_indices() {
            assert!(stored(text).starts_with(&*stored(&text[..index])));
        }
    }
}
