//! The expansion of a function that can't be a step. Its mistakes are the only errors.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ReturnType, Token, Type};

use super::check::sort;
use super::parse::StepSyntax;
use crate::errors::Errors;

// Expands to:
//
//     pub const charge: [(); compile_error! { … }] = { async fn charge(order: &Order) -> … { … } unreachable!() };
//
// Rustc accepts every use of a value of that type, also a call with any arguments. It still compiles the function, so
// that the items that the function uses count as used.
pub(super) fn expand(syntax: &StepSyntax, errors: &Errors) -> TokenStream {
    let StepSyntax {
        attributes,
        visibility,
        signature,
        body,
    } = syntax;
    let unknown = errors.unknown_type();
    let name = &signature.ident;
    let mut signature = signature.clone();
    signature.asyncness.get_or_insert_default();
    signature.output = ReturnType::Type(
        <Token![->]>::default(),
        Box::new(Type::Verbatim(unknown.clone())),
    );
    let body = body
        .as_ref()
        .map_or_else(|| quote!({ loop {} }), |body| quote!(#body));
    if signature.receiver().is_some() {
        return quote!(#(#attributes)* #visibility #signature #body);
    }
    let (_, inner, conditions) = sort(attributes);
    quote! {
        #(#conditions)*
        #[allow(non_upper_case_globals, missing_docs, dead_code)]
        #visibility const #name: #unknown = {
            #(#inner)*
            #signature #body
            ::core::unreachable!()
        };
    }
}
