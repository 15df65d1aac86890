//! `#[step(…)]`: from a plain `async fn` to a step.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use syn::ext::IdentExt;

use crate::errors::Errors;
use crate::signature::{Owner, reject_owner};
use crate::source::Source;

/// parse → check → expand. A function with mistakes can still be called like a step, so that the sagas that call it get
/// no errors.
pub(crate) fn expand(options: TokenStream, function: TokenStream, source: &Source) -> TokenStream {
    let mut errors = Errors::default();
    let Some(syntax) = errors.ok(syn::parse2::<parse::StepSyntax>(function.clone())) else {
        return [errors.into_tokens(), function].into_iter().collect();
    };
    if reject_owner(Owner::Step, &syntax.signature, source, &mut errors) {
        return fallback::in_an_impl(&syntax, &mut errors);
    }
    let expanded = match check::check(options, &syntax, &mut errors) {
        Some(step) => expand::expand(&step),
        None => fallback::expand(&syntax, &mut errors),
    };
    [expanded, errors.into_tokens()].into_iter().collect()
}

/// The same for an editor. With a mistake, the function is as it was written: rustc reports the mistake.
pub(crate) fn in_an_editor(
    options: TokenStream,
    function: TokenStream,
    source: &Source,
) -> TokenStream {
    let mut errors = Errors::default();
    let Some(syntax) = errors.ok(syn::parse2::<parse::StepSyntax>(function.clone())) else {
        return function;
    };
    if reject_owner(Owner::Step, &syntax.signature, source, &mut errors) {
        return function;
    }
    check::check(options, &syntax, &mut errors).map_or(function, |step| expand::expand(&step))
}

/// The name of what the macro adds beside the function: no name that begins with two underscores is the user's.
fn hidden_name(function: &Ident) -> Ident {
    format_ident!("__{}", function.unraw(), span = function.span())
}
