//! The syntax of a step. The body stays raw tokens, so that an unfinished one breaks nothing else.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Visibility};

/// A function with any signature and any body.
pub(super) struct StepSyntax {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
    /// `None` for a declaration without a body, as in a trait.
    pub(super) body: Option<Group>,
}

impl Parse for StepSyntax {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse().map_err(|error| {
            syn::Error::new(
                error.span(),
                "`#[step]` stands on a function\n\nhelp: put it on a free `async fn`",
            )
        })?;
        let rest: TokenStream = input.parse()?;
        let body = rest.into_iter().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        });
        Ok(Self {
            attributes,
            visibility,
            signature,
            body,
        })
    }
}
