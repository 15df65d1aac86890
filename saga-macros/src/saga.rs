//! `saga!( async fn … );`: from an ordinary function to a saga.

mod body;
mod check;
mod expand;
mod fallback;
mod mirror;
mod model;
mod parse;
mod shape;
mod words;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use parse::{SagaSyntax, Unparsed};

/// parse → check → expand. A saga with mistakes still defines its struct, so that what uses it has none of its own.
pub(crate) fn expand(function: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let syntax: SagaSyntax = match syn::parse2(function.clone()) {
        Ok(syntax) => syntax,
        Err(error) => {
            errors.push(error);
            let unparsed = syn::parse2::<Unparsed>(function.clone()).ok();
            return [
                errors.into_tokens(),
                fallback::unparsed(unparsed.as_ref(), &function),
            ]
            .into_iter()
            .collect();
        }
    };
    match check::check(&syntax, &mut errors) {
        Some(saga) if errors.is_empty() => expand::expand(&saga),
        _ => [errors.into_tokens(), fallback::unchecked(&syntax)]
            .into_iter()
            .collect(),
    }
}
