//! `saga!( async fn … );`: from an ordinary function to a saga.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// parse → check → expand. A saga with mistakes still defines its struct, so that the code that uses it gets no errors.
pub(crate) fn expand(function: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(syntax) = errors.ok(syn::parse2(function.clone())) else {
        return fallback::unread(function, errors);
    };
    let expanded = match check::check(&syntax, &mut errors) {
        Some(saga) => expand::expand(&saga),
        None => fallback::stand_in(&syntax, &mut errors),
    };
    let as_written = fallback::as_written(&syntax, function);
    [expanded, errors.into_tokens(), as_written]
        .into_iter()
        .collect()
}
