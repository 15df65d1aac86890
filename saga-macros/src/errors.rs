//! Collects mistakes, so that all of them are reported at once.

use proc_macro2::{Span, TokenStream};
use quote::quote;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Reports `message` at `span`. `help` is the edit that mends the mistake.
    pub(crate) fn report(
        &mut self,
        span: Span,
        message: impl std::fmt::Display,
        help: impl std::fmt::Display,
    ) {
        self.push(syn::Error::new(span, format!("{message}\n\nhelp: {help}")));
    }

    /// Like [`report`](Self::report). Returns tokens for the place of the mistake: the same error again, which rustc
    /// prints once, and nothing else that it could reject.
    pub(crate) fn replace(
        &mut self,
        span: Span,
        message: impl std::fmt::Display,
        help: impl std::fmt::Display,
    ) -> TokenStream {
        self.report(span, message, help);
        self.0
            .last()
            .map(syn::Error::to_compile_error)
            .unwrap_or_default()
    }

    /// Takes over a mistake found by the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// Unwraps `result`; reports its mistake.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }

    /// A type with the first mistake inside. Rustc accepts every use of its values.
    pub(crate) fn unknown_type(&self) -> TokenStream {
        let mistake = self.0.first().map(syn::Error::to_compile_error);
        quote!([(); #mistake])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}
