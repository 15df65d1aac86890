//! The associated items that a signature gives, each type at its place: there rustc reports one that is more
//! private than the step or the saga.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Token, Type};

use super::lifetimes::with_lifetime;
use crate::spans::at;

// Expands to:
//
//     type Services = <Context<'static, Shop> as IsContext>::Services;
pub(crate) fn services(rules: &TokenStream, context: &Type) -> TokenStream {
    let span = context.span();
    let context = with_lifetime(context, "'static");
    let (open, close) = (
        at(span, quote!(<)),
        at(span, quote!(as #rules::IsContext>::Services)),
    );
    associated(span, quote!(type Services), &quote!(#open #context #close))
}

// Expands to, for the name `Output`:
//
//     type Output = <Result<…> as IsResult>::Output;
pub(crate) fn of_result(rules: &TokenStream, returned: &Type, name: &str) -> TokenStream {
    let span = returned.span();
    let name = Ident::new(name, span);
    let (open, close) = (
        at(span, quote!(<)),
        at(span, quote!(as #rules::IsResult>::#name)),
    );
    associated(span, quote!(type #name), &quote!(#open #returned #close))
}

/// An associated type, all of it at `span` but the type itself.
pub(crate) fn associated(span: Span, declaration: TokenStream, ty: &TokenStream) -> TokenStream {
    let (declaration, is, end) = (at(span, declaration), Token![=](span), Token![;](span));
    quote!(#declaration #is #ty #end)
}

// Expands to:
//
//     fn error_record() -> ErrorRecord<Self::Error> {
//         ErrorOf::<Self::Error>::NEW.record()
//     }
//
// Here the type is concrete, so rustc finds the method by what the type can do.
pub(crate) fn error_record(private: &TokenStream) -> TokenStream {
    quote! {
        fn error_record() -> #private::ErrorRecord<Self::Error> {
            #private::ErrorOf::<Self::Error>::NEW.record()
        }
    }
}
