//! The places where rustc reports mistakes in generated code, and the context in which its names resolve.
//!
//! Generated tokens stand in the context of the source, as if a user had written them. A token in the context of a macro
//! is hashed with the place of the macro's call, so that each edit above would make the whole expansion new to an
//! incremental compilation. Names that the source must not see begin with `__` instead.

use std::cell::Cell;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

thread_local! {
    /// The place of the code that is being generated.
    static HERE: Cell<Option<Span>> = const { Cell::new(None) };
}

/// Generates code with [`code!`], all of it at `span`, which is that of a token of the source.
pub(crate) fn generate(span: Span, code: impl FnOnce() -> TokenStream) -> TokenStream {
    let before = HERE.replace(Some(span));
    let code = code();
    HERE.set(before);
    code
}

/// The place of generated code, and the context of its names.
pub(crate) fn here() -> Span {
    HERE.get().unwrap_or_else(Span::call_site)
}

/// Like `quote!`, with tokens at the place of generated code: see [`here`].
macro_rules! code {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!($crate::spans::here()=> $($tokens)*)
    };
}
pub(crate) use code;

/// A number or a text in generated code.
pub(crate) fn literal(value: impl ToTokens) -> TokenStream {
    at(here(), value.to_token_stream())
}
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
