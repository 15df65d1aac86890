//! Durations in the form of options: `"250ms"`, `"3s"`, `"100ms..10s"`.

use std::time::Duration;

use proc_macro2::{Literal, TokenStream};
use syn::LitStr;

use crate::spans::{code, literal};

const UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Reads one duration.
pub(crate) fn duration(literal: &LitStr) -> syn::Result<Duration> {
    parse(&literal.value()).ok_or_else(|| mistake(literal, "is not a duration", "write a whole number and a unit, such as `\"250ms\"`, `\"3s\"`, `\"2m\"`, `\"1h\"` or `\"1d\"`"))
}

/// Reads a range of two durations, the shorter one first.
pub(crate) fn range(literal: &LitStr) -> syn::Result<(Duration, Duration)> {
    let text = literal.value();
    let (first, longest) = text
        .split_once("..")
        .and_then(|(first, longest)| Some((parse(first)?, parse(longest)?)))
        .ok_or_else(|| {
            mistake(
                literal,
                "is not a range of durations",
                "write the first wait and the longest, such as `\"100ms..10s\"`",
            )
        })?;
    if first > longest {
        return Err(mistake(
            literal,
            "starts with a wait that is longer than its longest",
            "write the shorter one first",
        ));
    }
    Ok((first, longest))
}

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let micros = number.checked_mul(*micros)?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

fn mistake(literal: &LitStr, what: &str, help: &str) -> syn::Error {
    syn::Error::new(
        literal.span(),
        format!("`\"{}\"` {what}\n\nhelp: {help}", literal.value()),
    )
}

/// A constant expression for `duration`.
pub(crate) fn tokens(duration: Duration) -> TokenStream {
    let seconds = literal(Literal::u64_unsuffixed(duration.as_secs()));
    let nanos = literal(Literal::u32_unsuffixed(duration.subsec_nanos()));
    code!(::core::time::Duration::new(#seconds, #nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, millis) in [
            ("250ms", 250),
            ("3s", 3_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1 d", 86_400_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("500us"), Some(Duration::from_micros(500)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "3",
            "s",
            "3 parsecs",
            "-3s",
            "1.5s",
            "0s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
