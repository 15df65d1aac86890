//! Names for the lifetimes that a signature leaves out.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, ParenthesizedGenericArguments, Type, TypeFnPtr, TypeReference};

use crate::spans::here;

/// The type, with the lifetime `name` wherever the source leaves one out.
pub(crate) fn with_lifetime(ty: &Type, name: &str) -> Type {
    let mut ty = ty.clone();
    Named(name).visit_type_mut(&mut ty);
    ty
}

struct Named<'a>(&'a str);

impl Named<'_> {
    fn at(&self, span: Span) -> Lifetime {
        Lifetime::new(self.0, here().located_at(span))
    }
}

impl VisitMut for Named<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.at(reference.and_token.span));
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.at(lifetime.span());
        }
    }

    // The step does not borrow the parameters of a function type.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {
    }
}
