//! Collects mistakes, so that all of them are reported at once, and each of them once.
//!
//! Rustc leaves out a second error of the same text at the same place, but not when it compiles incrementally. So each
//! mistake has one `compile_error!` in the expansion.

use proc_macro2::{Span, TokenStream};
use quote::quote;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors {
    mistakes: Vec<syn::Error>,
    /// The first mistake in the place of an expression.
    replaced: Option<usize>,
    /// The mistake that the expansion has elsewhere.
    placed: Option<usize>,
}

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

    /// Takes over a mistake found by the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.mistakes.push(error);
    }

    /// Unwraps `result`; reports its mistake.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Notes that a placeholder stands in the place of the last mistake.
    pub(crate) fn replaced(&mut self) {
        let last = self.mistakes.len().saturating_sub(1);
        self.replaced.get_or_insert(last);
    }

    /// The first mistake with a placeholder. The caller puts it into the expansion.
    pub(crate) fn place_replaced(&mut self) -> Option<syn::Error> {
        self.placed = self.replaced;
        self.mistakes.get(self.replaced?).cloned()
    }

    /// The first mistake. The caller puts it into the expansion.
    pub(crate) fn place_first(&mut self) -> Option<syn::Error> {
        self.placed = Some(0);
        self.mistakes.first().cloned()
    }

    /// One `compile_error!` for each mistake that the caller has not put into the expansion.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let mistakes = self.mistakes.iter().enumerate();
        mistakes
            .filter(|(index, _)| self.placed != Some(*index))
            .map(|(_, mistake)| mistake.to_compile_error())
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.mistakes.len()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.mistakes.iter().map(ToString::to_string).collect()
    }
}

/// A type with a mistake inside. Rustc accepts every use of its values. In an editor there is no mistake.
pub(crate) fn unknown_type(mistake: Option<&syn::Error>) -> TokenStream {
    let mistake = mistake.map_or_else(|| quote!(0), syn::Error::to_compile_error);
    quote!([(); #mistake])
}
