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
    let as_written = fallback::as_written(&syntax, function);
    [expanded, errors.into_tokens(), as_written]
        .into_iter()
        .collect()
}
