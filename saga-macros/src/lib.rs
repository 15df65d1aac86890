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
mod source;
mod source_text;
mod spans;
mod step;

use proc_macro::{Span, TokenStream};

use source::Source;

#[expect(
    missing_docs,
    reason = "documented where saga-runtime re-exports it, so that the examples compile"
)]
#[proc_macro_attribute]
pub fn step(options: TokenStream, function: TokenStream) -> TokenStream {
    let source = Source::around(Span::call_site());
    step::expand(options.into(), function.into(), &source).into()
}

#[expect(
    missing_docs,
    reason = "documented where saga-runtime re-exports it, so that the examples compile"
)]
#[proc_macro]
pub fn saga(function: TokenStream) -> TokenStream {
    let source = Source::around(Span::call_site());
    saga::expand(&function.into(), &source).into()
}
