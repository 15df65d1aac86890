//! The return type of a step or a saga: a `Result` that borrows nothing.

use syn::visit::{self, Visit};
use syn::{Lifetime, ReturnType, Signature, Type, TypeReference};

use crate::errors::Errors;

/// The return type of the function; reports one that is missing, no `Result`, or borrows.
pub(crate) fn check<'a>(
    owner: &str,
    signature: &'a Signature,
    errors: &mut Errors,
) -> Option<&'a Type> {
    let name = &signature.ident;
    let ReturnType::Type(_, returned) = &signature.output else {
        let message = format!("{owner} `{name}` returns nothing");
        errors.report(
            name.span(),
            message,
            "add `-> Result<Output, Error>`; where there is no output, `Result<(), Error>`",
        );
        return None;
    };
    if !is_result(returned) {
        let message = format!("{owner} `{name}` does not return a `Result`");
        let help = "return `Result<Output, Error>`, or an alias of it whose name ends in `Result`";
        errors.report(syn::spanned::Spanned::span(returned), message, help);
        return None;
    }
    if let Some(span) = borrowed(returned) {
        let message = format!(
            "{owner} `{name}` returns something borrowed, but its output outlives the call"
        );
        errors.report(
            span,
            message,
            "return an owned value, such as `String` instead of `&str`",
        );
        return None;
    }
    Some(returned)
}

/// Whether a type is called a `Result`; that it is one, the compiler checks.
fn is_result(returned: &Type) -> bool {
    match returned {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident.to_string().ends_with("Result")),
        Type::Group(group) => is_result(&group.elem),
        Type::Paren(paren) => is_result(&paren.elem),
        _ => false,
    }
}

/// Where a type says that it borrows something.
pub(crate) fn borrowed(ty: &Type) -> Option<proc_macro2::Span> {
    let mut borrows = Borrows(None);
    borrows.visit_type(ty);
    borrows.0
}

struct Borrows(Option<proc_macro2::Span>);

impl<'ast> Visit<'ast> for Borrows {
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

    // What a function pointer takes and gives is not borrowed by the function pointer.
    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(
        &mut self,
        _: &'ast syn::ParenthesizedGenericArguments,
    ) {
    }
}
