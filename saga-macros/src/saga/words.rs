//! Source code as short text, for the shape of a saga.

use proc_macro2::TokenStream;

const LONGEST: usize = 60;

/// The tokens as people write them, cut if they are long.
pub(super) fn text(tokens: &TokenStream) -> String {
    let mut text = tokens
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for (apart, together) in [
        (" :: ", "::"),
        (" . ", "."),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        ("& ", "&"),
        (" ?", "?"),
        ("! ", "!"),
    ] {
        text = text.replace(apart, together);
    }
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    #[test]
    fn code_reads_as_it_is_written() {
        assert_eq!(
            super::text(&quote!(order.total() > limit::of(&shop, 3)?)),
            "order.total() > limit::of(&shop, 3)?"
        );
    }

    #[test]
    fn long_code_is_cut() {
        let long = quote!(a_long_name_for_something(
            another_long_name,
            a_third_long_name,
            a_fourth
        ));
        assert_eq!(super::text(&long).chars().count(), super::LONGEST + 1);
    }
}
