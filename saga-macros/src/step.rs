//! `#[step(…)]`: from a plain `async fn` to a step.

mod check;
mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;
pub(crate) use check::context_type;
pub(crate) use expand::with_lifetime;

/// parse → check → expand. A step with mistakes in its options is still a step, so that the sagas that call it have
/// no mistakes of their own.
pub(crate) fn expand(options: TokenStream, function: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let syntax = match syn::parse2(function.clone()) {
        Ok(syntax) => syntax,
        Err(error) => {
            errors.push(error);
            return [errors.into_tokens(), function].into_iter().collect();
        }
    };
    let expanded = match check::check(options, &syntax, &mut errors) {
        Some(step) => expand::expand(&step),
        None => function,
    };
    [errors.into_tokens(), expanded].into_iter().collect()
}
