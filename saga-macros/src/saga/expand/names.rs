//! Names that the parts of an expansion share.

use proc_macro2::{Ident, Span};
use quote::format_ident;

use crate::saga::model::Site;

/// The variable of the run in the body.
pub(super) fn run() -> Ident {
    Ident::new("__run", Span::mixed_site())
}

/// The variable that carries the type of a site from its call to the order rule and the shape.
pub(super) fn variable(index: usize, site: &Site) -> Ident {
    format_ident!("__site{index}", span = site.span)
}

/// The field of a site's slot, and the type parameter.
pub(super) fn slot(index: usize) -> Ident {
    format_ident!("s{index}", span = Span::mixed_site())
}

/// The struct of the slots. The body can see it, hence the unusual name.
pub(super) fn slots() -> Ident {
    Ident::new("__Slots", Span::mixed_site())
}

/// The variable of the slots in the body.
pub(super) fn slots_variable() -> Ident {
    Ident::new("__slots", Span::mixed_site())
}

/// A variable that the body can't see.
pub(super) fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The variable of the first mistake in the body. Rustc accepts every use of it.
pub(super) fn mistake() -> Ident {
    Ident::new("__mistake", Span::mixed_site())
}
