//! The syntax of a saga.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{AttrStyle, Attribute, Block, Signature, Visibility, braced};

/// A function with any signature.
pub(super) struct SagaSyntax {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
    /// The inner attributes of the body, as outer ones.
    pub(super) inner: Vec<Attribute>,
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
        let attributes = input.call(Attribute::parse_outer)?;
        let (visibility, signature) = (input.parse()?, input.parse()?);
        let (inner, body) = match body(input)? {
            Ok((inner, block)) => (inner, Ok(block)),
            Err(error) => (Vec::new(), Err(error)),
        };
        Ok(Self {
            attributes,
            visibility,
            signature,
            inner,
            body,
        })
    }
}

/// The rest of the input: one block, or its error.
fn body(input: ParseStream<'_>) -> syn::Result<syn::Result<(Vec<Attribute>, Block)>> {
    let parsed = block(&input.fork());
    if parsed.is_err() {
        input.parse::<TokenStream>()?;
        return Ok(parsed);
    }
    let parsed = block(input);
    if !input.is_empty() {
        return Err(input.error(
            "a `saga!` holds one function\n\nhelp: write another `saga!` for the next one",
        ));
    }
    Ok(parsed)
}

fn block(input: ParseStream<'_>) -> syn::Result<(Vec<Attribute>, Block)> {
    let content;
    let brace_token = braced!(content in input);
    let mut inner = content.call(Attribute::parse_inner)?;
    for attribute in &mut inner {
        attribute.style = AttrStyle::Outer;
    }
    let stmts = content.call(Block::parse_within)?;
    Ok((inner, Block { brace_token, stmts }))
}
