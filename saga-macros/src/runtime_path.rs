//! The path of the runtime crate. No other file spells it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::errors::Errors;
use crate::options::Opt;

/// The path of the runtime crate: `::saga_runtime`, or the value of `crate = …`.
#[derive(Clone)]
pub(crate) struct RuntimePath(TokenStream);

impl Default for RuntimePath {
    fn default() -> Self {
        Self(quote!(::saga_runtime))
    }
}

impl RuntimePath {
    /// The value of `crate = …` among these options, or the default.
    pub(crate) fn from_options(options: &[Opt], errors: &mut Errors) -> Self {
        let option = options.iter().find(|option| option.key == "crate");
        let path = option.and_then(|option| errors.ok(option.path("crate = saga_runtime")));
        path.map_or_else(Self::default, |path| Self(path.to_token_stream()))
    }

    /// The module that generated code calls.
    pub(crate) fn private(&self) -> TokenStream {
        quote!(#self::__private)
    }

    /// The module of the rules that rustc checks. Unlike [`private`](Self::private), messages may show it.
    pub(crate) fn rules(&self) -> TokenStream {
        quote!(#self::rules)
    }

    /// The rule for an input of a saga, as text for `#[serde(with = …)]`.
    pub(crate) fn saga_input(&self) -> String {
        self.rules().to_string().replace(' ', "") + "::SagaInput"
    }

    /// The path of serde, as text for `#[serde(crate = …)]`.
    pub(crate) fn serde(&self) -> String {
        self.private().to_string().replace(' ', "") + "::serde"
    }
}

impl ToTokens for RuntimePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
