//! The macros of `saga-runtime`, which re-exports them with their documentation. Depend on that crate.

#[cfg(test)]
mod arbitrary;
mod duration;
mod errors;
#[cfg(test)]
mod golden;
mod options;
mod runtime_path;
mod saga;
mod signature;
mod spans;
mod step;

use proc_macro::TokenStream;

#[expect(
    missing_docs,
    reason = "documented where saga-runtime re-exports it, so that the examples compile"
)]
#[proc_macro_attribute]
pub fn step(options: TokenStream, function: TokenStream) -> TokenStream {
    step::expand(options.into(), function.into()).into()
}

#[expect(
    missing_docs,
    reason = "documented where saga-runtime re-exports it, so that the examples compile"
)]
#[proc_macro]
pub fn saga(function: TokenStream) -> TokenStream {
    saga::expand(&function.into()).into()
}
