//! A saga as it was written.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Block, Signature, Visibility};

/// A function whose body is Rust.
pub(super) struct SagaSyntax {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
    pub(super) body: Block,
}

/// A function whose body is no Rust yet, because somebody is typing.
pub(super) struct Unparsed {
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
}

impl Parse for SagaSyntax {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Err(input.error(
                "there is no function in this `saga!`\n\nhelp: write `saga!( async fn … );`",
            ));
        }
        let syntax = Self {
            attributes: input.call(Attribute::parse_outer)?,
            visibility: input.parse()?,
            signature: input.parse()?,
            body: input.parse()?,
        };
        if !input.is_empty() {
            return Err(input.error(
                "a `saga!` holds one function\n\nhelp: write another `saga!` for the next one",
            ));
        }
        Ok(syntax)
    }
}

impl Parse for Unparsed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        let syntax = Self {
            visibility: input.parse()?,
            signature: input.parse()?,
        };
        input.parse::<TokenStream>()?;
        Ok(syntax)
    }
}
