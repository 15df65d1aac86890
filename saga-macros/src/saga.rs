//! `saga!( async fn … );`: from an ordinary function to a saga.

mod as_written;
mod check;
mod expand;
mod fallback;
mod model;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, TokenStream, TokenTree};

use crate::errors::Errors;
use crate::signature::{Owner, reject_owner};
use crate::source::Source;

/// parse → check → expand. A saga with mistakes still defines its struct, so that the code that uses it gets no errors.
pub(crate) fn expand(function: &TokenStream, source: &Source) -> TokenStream {
    let mut errors = Errors::default();
    let Some(syntax) = errors.ok(syn::parse2::<parse::SagaSyntax>(function.clone())) else {
        return fallback::unread(function, errors);
    };
    if reject_owner(Owner::Saga, &syntax.signature, source, &mut errors) {
        let function = fallback::in_an_impl(&syntax, &mut errors);
        return [function.unwrap_or_default(), errors.into_tokens()]
            .into_iter()
            .collect();
    }
    let expanded = match check::check(&syntax, source, &mut errors) {
        Some(saga) => expand::expand(&saga),
        None => fallback::stand_in(&syntax, source, &mut errors),
    };
    [expanded, errors.into_tokens()].into_iter().collect()
}

/// The same for an editor: the body as it was written, in a plain function, and a saga without a body. Rustc reports the
/// mistakes.
///
/// The plain function comes first. An editor expands an unfinished body twice, with and without a word at the cursor,
/// and compares places.
pub(crate) fn in_an_editor(function: &TokenStream, source: &Source) -> TokenStream {
    let mut errors = Errors::default();
    let Some(syntax) = errors.ok(syn::parse2::<parse::SagaSyntax>(function.clone())) else {
        let unread = fallback::unread(function, Errors::default());
        return [as_written::unread(function), unread].into_iter().collect();
    };
    if reject_owner(Owner::Saga, &syntax.signature, source, &mut errors) {
        return function.clone();
    }
    let as_written = as_written::expand(&syntax, function);
    let expanded = match check::check(&syntax, source, &mut errors) {
        Some(saga) => expand::without_body(saga),
        None => fallback::stand_in(&syntax, source, &mut Errors::default()),
    };
    [as_written, expanded].into_iter().collect()
}

/// The name of the struct, if the tokens are a function: it stands at the place of the function's name.
pub(crate) fn struct_name(function: &TokenStream) -> Option<Ident> {
    let mut tokens = function.clone().into_iter();
    let is_fn = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "fn");
    match tokens.by_ref().skip_while(|token| !is_fn(token)).nth(1) {
        Some(TokenTree::Ident(name)) => check::struct_name(&name),
        _ => None,
    }
}
