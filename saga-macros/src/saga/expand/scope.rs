//! Short names for the modules of the runtime, inside of the generated implementations.

use proc_macro2::TokenStream;
use quote::ToTokens;

use super::names::hidden;
use crate::runtime_path::RuntimePath;
use crate::spans::code;

/// `__p` for the module that generated code calls, `__r` for the rules.
pub(super) struct Aliases {
    pub(super) private: TokenStream,
    pub(super) rules: TokenStream,
}

impl Aliases {
    pub(super) fn new() -> Self {
        Self {
            private: hidden("p").into_token_stream(),
            rules: hidden("r").into_token_stream(),
        }
    }

    // Expands to:
    //
    //     use ::saga_runtime::{__private as __p, rules as __r};
    pub(super) fn both(&self, runtime: &RuntimePath) -> TokenStream {
        let Self { private, rules } = self;
        code!(use #runtime::{__private as #private, rules as #rules};)
    }
}
