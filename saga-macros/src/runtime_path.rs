//! The path of the runtime crate. No other file spells it.

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::errors::Errors;
use crate::options::Opt;
use crate::spans::code;

/// The path of the runtime crate: `::saga_runtime`, or the value of `crate = …`.
#[derive(Clone, Default)]
pub(crate) struct RuntimePath(Option<TokenStream>);

impl RuntimePath {
    /// The value of `crate = …` among these options, or the default.
    pub(crate) fn from_options(options: &[Opt], errors: &mut Errors) -> Self {
        let option = options.iter().find(|option| option.key == "crate");
        let path = option.and_then(|option| errors.ok(option.path("crate = saga_runtime")));
        Self(path.map(ToTokens::into_token_stream))
    }

    /// The module that generated code calls.
    pub(crate) fn private(&self) -> TokenStream {
        code!(#self::__private)
    }

    /// The module of the rules that rustc checks. Unlike [`private`](Self::private), messages may show it.
    pub(crate) fn rules(&self) -> TokenStream {
        code!(#self::rules)
    }

    /// The module for code that only editors expand.
    pub(crate) fn editor(&self) -> TokenStream {
        let private = self.private();
        code!(#private::editor)
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
        match &self.0 {
            Some(path) => path.to_tokens(tokens),
            None => tokens.extend(code!(::saga_runtime)),
        }
    }
}
