//! Collects mistakes, so that all of them are reported at once.

use proc_macro2::{Span, TokenStream};
use quote::quote;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Reports `message` at `span`. What follows `help` is the edit that mends it.
    pub(crate) fn report(
        &mut self,
        span: Span,
        message: impl std::fmt::Display,
        help: impl std::fmt::Display,
    ) {
        self.push(syn::Error::new(span, format!("{message}\n\nhelp: {help}")));
    }

    /// Like [`report`](Self::report); returns what can stand in the place of the mistake. The compiler says the same
    /// thing at the same place only once, and finds nothing else wrong with it.
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

    /// Unwraps `result`; its mistake is reported.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }

    /// A type that nobody knows because of the first mistake: the compiler finds nothing wrong with its values,
    /// whatever is done with them.
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
