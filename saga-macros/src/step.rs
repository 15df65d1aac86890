//! `#[step(…)]`: from a plain `async fn` to a step.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// parse → check → expand. A function with mistakes can still be called like a step, so that the sagas that call it get
/// no errors.
pub(crate) fn expand(options: TokenStream, function: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(syntax) = errors.ok(syn::parse2(function.clone())) else {
        return [errors.into_tokens(), function].into_iter().collect();
    };
    let expanded = match check::check(options, &syntax, &mut errors) {
        Some(step) => expand::expand(&step),
        None => fallback::expand(&syntax, &mut errors),
    };
    [expanded, errors.into_tokens()].into_iter().collect()
}
