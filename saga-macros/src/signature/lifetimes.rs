//! Names for the lifetimes that a signature leaves out.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, ParenthesizedGenericArguments, Type, TypeFnPtr, TypeReference};

use crate::spans::here;

/// The type, with the lifetime `name` wherever the source leaves one out.
pub(crate) fn with_lifetime(ty: &Type, name: &str) -> Type {
    let mut ty = ty.clone();
    Named(name).visit_type_mut(&mut ty);
    ty
}

/// The first place at which one of these types borrows for a lifetime that the source leaves out.
pub(crate) fn first_borrow<'a>(types: impl Iterator<Item = &'a Type>) -> Option<Span> {
    let mut borrow = Borrow(None);
    for ty in types {
        borrow.visit_type(ty);
    }
    borrow.0
}

struct Borrow(Option<Span>);

impl<'ast> Visit<'ast> for Borrow {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if reference.lifetime.is_none() {
            self.0.get_or_insert(reference.and_token.span);
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident == "_" {
            self.0.get_or_insert(lifetime.span());
        }
    }

    // Functions borrow nothing for their parameters.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
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
