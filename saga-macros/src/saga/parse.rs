//! The syntax of a saga.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Block, Signature, Visibility};

/// A function with any signature.
pub(super) struct SagaSyntax {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
    /// The body, or the error in it: an editor expands unfinished code.
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

/// The rest of the input: one block, or its error.
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
