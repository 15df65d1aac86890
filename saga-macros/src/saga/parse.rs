//! A saga as it was written.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Block, Signature, Visibility};

/// A function with any signature.
pub(super) struct SagaSyntax {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
    /// The body, or why it is no Rust yet: perhaps somebody is typing.
    pub(super) body: syn::Result<Block>,
}

impl Parse for SagaSyntax {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Err(input.error(
                "there is no function in this `saga!`\n\nhelp: write `saga!( async fn … );`",
            ));
        }
        Ok(Self {
            attributes: input.call(Attribute::parse_outer)?,
            visibility: input.parse()?,
            signature: input.parse()?,
            body: body(input)?,
        })
    }
}

/// What is left of the input: one block, if it is one.
fn body(input: ParseStream<'_>) -> syn::Result<syn::Result<Block>> {
    let block = input.fork().parse();
    if block.is_err() {
        input.parse::<TokenStream>()?;
        return Ok(block);
    }
    let block = input.parse();
    if !input.is_empty() {
        return Err(input.error(
            "a `saga!` holds one function\n\nhelp: write another `saga!` for the next one",
        ));
    }
    Ok(block)
}
