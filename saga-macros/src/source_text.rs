//! Source code as text, for the shape of a saga and for documentation.

use proc_macro2::TokenStream;

const LONGEST: usize = 60;

/// The tokens with the usual spaces, cut if they are long.
pub(crate) fn text(tokens: &TokenStream) -> String {
    let text = whole(tokens);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A type with the usual spaces.
pub(crate) fn of_type(tokens: &TokenStream) -> String {
    let mut text = whole(tokens);
    for (apart, together) in [(" <", "<"), ("< ", "<"), (" >", ">"), ("& ", "&")] {
        text = text.replace(apart, together);
    }
    text
}

/// The tokens with the usual spaces.
pub(crate) fn whole(tokens: &TokenStream) -> String {
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
        (",(", ", ("),
        (",..}", ", .. }"),
    ] {
        text = text.replace(apart, together);
    }
    // Elsewhere the `&` is an operator.
    if let Some(borrowed) = text.strip_prefix("& ") {
        text = format!("&{borrowed}");
    }
    text
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn code_reads_as_it_is_written() {
        assert_eq!(
            text(&quote!(order.total() > limit::of(&shop, 3)?)),
            "order.total() > limit::of(&shop, 3)?"
        );
        assert_eq!(
            of_type(&quote!(Result<Vec<a::Order>, Error>)),
            "Result<Vec<a::Order>, Error>"
        );
        assert_eq!(
            text(&quote!(first_of(cx, (PAID, DECLINED)))),
            "first_of(cx, (PAID, DECLINED))"
        );
        assert_eq!(
            text(&quote!(Some(Order { id, .. }))),
            "Some(Order { id, .. })"
        );
        assert_eq!(text(&quote!(&orders)), "&orders");
        assert_eq!(text(&quote!(a && !b & c)), "a && !b & c");
        assert_eq!(text(&quote!(0..count)), "0..count");
        assert_eq!(text(&quote!(x in &y)), "x in &y");
    }

    #[test]
    fn long_code_is_cut() {
        let long = quote!(a_long_name_for_something(
            another_long_name,
            a_third_long_name,
            a_fourth
        ));
        assert_eq!(text(&long).chars().count(), LONGEST + 1);
    }
}
