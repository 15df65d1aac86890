//! Searches in the types of a signature: for borrows, references and `impl Trait`.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{
    Lifetime, ParenthesizedGenericArguments, PathSegment, Type, TypeFnPtr, TypeImplTrait,
    TypeReference,
};

/// The first borrow in a type that is not `'static`.
pub(crate) fn borrowed(ty: &Type) -> Option<Span> {
    let mut borrowed = Borrowed(None);
    borrowed.visit_type(ty);
    borrowed.0
}

struct Borrowed(Option<Span>);

impl<'ast> Visit<'ast> for Borrowed {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if reference.lifetime.is_none() {
            self.0.get_or_insert(reference.and_token.span);
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.0.get_or_insert(lifetime.span());
        }
    }

    // A function type does not borrow its parameters and its output.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}

/// The first reference in a type, also a `'static` one: serde can write it, but not read it again.
pub(crate) fn reference(ty: &Type) -> Option<Span> {
    let mut reference = Reference(None);
    reference.visit_type(ty);
    reference.0
}

struct Reference(Option<Span>);

impl<'ast> Visit<'ast> for Reference {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        self.0.get_or_insert(reference.and_token.span);
    }

    // Function types and `PhantomData` hold no values.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
        if segment.ident != "PhantomData" {
            visit::visit_path_segment(self, segment);
        }
    }
}

/// The first `impl Trait` in a type.
pub(crate) fn anonymous(ty: &Type) -> Option<Span> {
    let mut anonymous = Anonymous(None);
    anonymous.visit_type(ty);
    anonymous.0
}

struct Anonymous(Option<Span>);

impl<'ast> Visit<'ast> for Anonymous {
    fn visit_type_impl_trait(&mut self, anonymous: &'ast TypeImplTrait) {
        self.0.get_or_insert(anonymous.impl_token.span);
    }
}
