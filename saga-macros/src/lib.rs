//! The macros of `saga-runtime`, which re-exports them with their documentation. Depend on that crate.

#[cfg(test)]
mod arbitrary;
mod duration;
mod editor;
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

/// Makes a step of a free `async fn`: one action in one service, with its compensation and its policies.
///
/// One of `compensate = path`, `compensate = ()`, `pivot`, `retriable`; then `timeout`, `retry(…)`, `in_doubt(…)`,
/// `compensation(…)`, `policy`, `name`. The documentation of `saga_runtime::step` has a table of them.
///
/// `saga-runtime` exports this macro as `step` to editors.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn step_in_an_editor(options: TokenStream, function: TokenStream) -> TokenStream {
    let source = Source::around(Span::call_site());
    editor::step(options.into(), function.into(), &source).into()
}

/// Makes a saga of an `async fn` that calls steps: a struct that can be run, recorded and drawn.
///
/// The body is plain Rust, and each `.await` in it is the call of a step, of another saga, or of a wait. The
/// documentation of `saga_runtime::saga` has the rules.
///
/// `saga-runtime` exports this macro as `saga` to editors.
#[doc(hidden)]
#[proc_macro]
pub fn saga_in_an_editor(function: TokenStream) -> TokenStream {
    let source = Source::around(Span::call_site());
    editor::saga(&function.into(), &source).into()
}
