//! The durable form as a text that is compared with the expected one.

use std::path::Path;

/// Compares a text with the expected one, or replaces the expected one if `BLESS` is set.
pub(super) fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("released")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (line, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, expected, "line {} of {}", number + 1, path.display());
    }
    assert_eq!(text, expected, "{}", path.display());
}
