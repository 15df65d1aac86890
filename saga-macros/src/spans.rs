//! The places where rustc reports mistakes in generated code.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

/// The same tokens, all of them at `span`: rustc underlines that place instead of the whole macro call.
pub(crate) fn at(span: Span, tokens: TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => TokenTree::Group(self::group(
                group.delimiter(),
                span,
                at(span, group.stream()),
            )),
            mut token => {
                token.set_span(span);
                token
            }
        })
        .collect()
}

/// The place of the first token: rustc underlines a place of one token exactly.
pub(crate) fn first_token(node: &impl ToTokens) -> Span {
    node.to_token_stream()
        .into_iter()
        .next()
        .map_or_else(Span::call_site, |token| token.span())
}

/// `tokens` in delimiters at `span`.
pub(crate) fn group(delimiter: Delimiter, span: Span, tokens: TokenStream) -> Group {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(span);
    group
}

/// A call of `function` at `span`. The arguments are variables, and resolve as before.
pub(crate) fn call(span: Span, function: TokenStream, arguments: &[&Ident]) -> TokenStream {
    let function = at(span, function);
    let arguments = arguments.iter().map(|name| {
        let mut name = (*name).clone();
        name.set_span(name.span().located_at(span));
        name
    });
    let arguments = group(Delimiter::Parenthesis, span, quote!(#(#arguments),*));
    quote!(#function #arguments)
}
