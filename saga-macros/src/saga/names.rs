//! Names that the parts of an expansion share.

use proc_macro2::{Ident, Span};
use quote::format_ident;

use super::model::Site;

/// The variable of the run in the body.
pub(super) fn run() -> Ident {
    Ident::new("__run", Span::mixed_site())
}

/// The variable that carries the type of a site from its call to the order rule and the shape.
pub(super) fn variable(index: usize, site: &Site) -> Ident {
    format_ident!("__site{index}", span = site.span)
}

/// The variant of the undo stack's enum, and the type parameter, for a site.
pub(super) fn variant(index: usize) -> Ident {
    format_ident!("S{index}", span = Span::mixed_site())
}

/// The name of the undo stack's enum. It is visible in the body, so it is one that nobody uses.
pub(super) fn undo() -> Ident {
    Ident::new("__Undo", Span::mixed_site())
}

/// A variable that the body can't see.
pub(super) fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
