//! The expansion of a function that can't be a step. Its mistakes are the only errors.

use proc_macro2::TokenStream;
use quote::quote;

use super::check::sort;
use super::hidden_name;
use super::parse::StepSyntax;
use crate::errors::{Errors, unknown_type};
use crate::signature::returning;

// Expands to:
//
//     pub type __charge = [(); compile_error! { … }];
//     pub const charge: __charge = { async fn charge(order: &Order) -> __charge { … } unreachable!() };
//
// The first mistake is in the type. Rustc accepts every use of a value of that type, also a call with any arguments. It
// still compiles the function, so that the items that the function uses count as used.
pub(super) fn expand(syntax: &StepSyntax, errors: &mut Errors) -> TokenStream {
    if syntax.signature.receiver().is_some() {
        return in_an_impl(syntax, errors);
    }
    let StepSyntax {
        attributes,
        visibility,
        signature,
        ..
    } = syntax;
    let unknown = unknown_type(errors.place_first().as_ref());
    let name = &signature.ident;
    let body = body(syntax);
    let hidden = hidden_name(name);
    let signature = returning(signature, quote!(#hidden));
    let (_, inner, conditions) = sort(attributes);
    quote! {
        #(#conditions)*
        #[allow(non_camel_case_types, missing_docs, dead_code)]
        #visibility type #hidden = #unknown;

        #(#conditions)*
        #[allow(non_upper_case_globals, missing_docs, dead_code)]
        #visibility const #name: #hidden = {
            #(#inner)*
            #signature #body
            ::core::unreachable!()
        };
    }
}

/// A function in an `impl`, where no other item may stand beside it.
pub(super) fn in_an_impl(syntax: &StepSyntax, errors: &mut Errors) -> TokenStream {
    let StepSyntax {
        attributes,
        visibility,
        signature,
        ..
    } = syntax;
    let unknown = unknown_type(errors.place_first().as_ref());
    let signature = returning(signature, unknown);
    let body = body(syntax);
    quote!(#(#attributes)* #[allow(dead_code)] #visibility #signature #body)
}

fn body(syntax: &StepSyntax) -> TokenStream {
    let body = syntax.body.as_ref();
    body.map_or_else(|| quote!({ loop {} }), |body| quote!(#body))
}
