//! The associated items that a signature gives, each type at its place: there rustc reports one that is more
//! private than the step or the saga.

use proc_macro2::{Ident, Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Token, Type};

use super::lifetimes::with_lifetime;
use crate::spans::{at, code};

// Expands to:
//
//     type Services = <Context<'static, Shop> as IsContext>::Services;
pub(crate) fn services(rules: &TokenStream, context: &Type) -> TokenStream {
    let span = context.span();
    let context = with_lifetime(context, "'static");
    let (open, close) = (
        at(span, code!(<)),
        at(span, code!(as #rules::IsContext>::Services)),
    );
    associated(span, code!(type Services), &code!(#open #context #close))
}

// Expands to, for the name `Output`:
//
//     type Output = <Result<…> as IsResult>::Output;
pub(crate) fn of_result(rules: &TokenStream, returned: &Type, name: &str) -> TokenStream {
    let span = returned.span();
    let name = Ident::new(name, span);
    let (open, close) = (
        at(span, code!(<)),
        at(span, code!(as #rules::IsResult>::#name)),
    );
    associated(span, code!(type #name), &code!(#open #returned #close))
}

// Expands to, for the name `Output`:
//
//     type Output = Receipt;
pub(crate) fn itself(name: &str, ty: &Type) -> TokenStream {
    let span = ty.span();
    let name = Ident::new(name, span);
    associated(span, code!(type #name), &code!(#ty))
}

/// An associated type, all of it at `span` but the type itself.
pub(crate) fn associated(span: Span, declaration: TokenStream, ty: &TokenStream) -> TokenStream {
    let (declaration, is, end) = (at(span, declaration), Token![=](span), Token![;](span));
    code!(#declaration #is #ty #end)
}

// Expands to:
//
//     fn error_record() -> ErrorRecord<Self::Error> {
//         ErrorOf::<Self::Error>::NEW.record()
//     }
//
// Here the type is concrete, so rustc finds the method by what the type can do.
pub(crate) fn error_record(private: &TokenStream) -> TokenStream {
    code! {
        fn error_record() -> #private::ErrorRecord<Self::Error> {
            #private::ErrorOf::<Self::Error>::NEW.record()
        }
    }
}
