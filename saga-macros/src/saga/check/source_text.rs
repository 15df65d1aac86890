//! Source code as short text, for the shape of a saga.

use proc_macro2::TokenStream;

const LONGEST: usize = 60;

/// The tokens with the usual spaces, cut if they are long.
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
        (" ?", "?"),
        ("! ", "!"),
        (" .. ", ".."),
        (" ..= ", "..="),
        ("(& ", "(&"),
        (", & ", ", &"),
        ("= & ", "= &"),
        ("in & ", "in &"),
    ] {
        text = text.replace(apart, together);
    }
    // Elsewhere the `&` is an operator.
    if let Some(borrowed) = text.strip_prefix("& ") {
        text = format!("&{borrowed}");
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
        assert_eq!(super::text(&quote!(&orders)), "&orders");
        assert_eq!(super::text(&quote!(a && !b & c)), "a && !b & c");
        assert_eq!(super::text(&quote!(0..count)), "0..count");
        assert_eq!(super::text(&quote!(x in &y)), "x in &y");
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
