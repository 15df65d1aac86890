//! Names that the parts of an expansion share. The body could see them, so they begin with `__`.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::format_ident;
use syn::Token;

use crate::saga::model::Site;
use crate::spans::{at, code, here, literal};

/// The variable of the run in the body.
pub(super) fn run() -> Ident {
    hidden("run")
}

/// The variable that carries the type of a site from its call to the order rule and the shape.
pub(super) fn variable(index: usize, site: &Site) -> Ident {
    format_ident!("__site{index}", span = site.span)
}

/// The number of a site.
pub(super) fn number(index: usize) -> TokenStream {
    literal(Literal::usize_unsuffixed(index))
}

/// The most slots in one tuple.
pub(super) const MOST_IN_A_TUPLE: usize = 16;

/// The slot of a site, one of the `count` of a saga: see [`slots`](super::slots).
pub(super) fn slot(index: usize, count: usize, site: &Site) -> TokenStream {
    let slots = hidden("slots");
    let mut path = Vec::new();
    let mut held = MOST_IN_A_TUPLE;
    while held < count {
        held *= MOST_IN_A_TUPLE;
    }
    let mut rest = index;
    while held > MOST_IN_A_TUPLE {
        held /= MOST_IN_A_TUPLE;
        path.push(number(rest / held));
        rest %= held;
    }
    path.push(number(rest));
    let (dot, first) = (Token![.](site.span), number(0));
    at(
        here().located_at(site.span),
        code!(#slots #(#dot #first #dot #path)*),
    )
}

/// A variable of generated code.
pub(super) fn hidden(name: &str) -> Ident {
    format_ident!("__{name}", span = here())
}

/// The variable of the first mistake in the body. Rustc accepts every use of it.
pub(super) fn mistake() -> Ident {
    hidden("mistake")
}
