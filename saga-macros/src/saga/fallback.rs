//! What is emitted for a saga with mistakes, so that they are the only errors.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, Pat, ReturnType, Signature, Visibility};

use super::check::struct_name;
use super::expand::result;
use super::parse::{SagaSyntax, Unparsed};
use crate::runtime_path::RuntimePath;

/// For a saga that can be read, but breaks a rule.
pub(super) fn unchecked(syntax: &SagaSyntax) -> TokenStream {
    stand_in(&syntax.visibility, &syntax.signature)
}

/// For a body that is no Rust yet. Editors get the tokens as they are, so that completion keeps working; the compiler
/// does not, or it would report them a second time.
pub(super) fn unparsed(signature: Option<&Unparsed>, tokens: &TokenStream) -> TokenStream {
    let stand_in = signature.map(|unparsed| stand_in(&unparsed.visibility, &unparsed.signature));
    let private = RuntimePath::default().private();
    quote! {
        #stand_in
        #[cfg(rust_analyzer)]
        const _: () = { #private::as_written! { #tokens } };
    }
}

/// The struct, with an `execute` and a `shape` that are never run: the saga does not compile.
fn stand_in(visibility: &Visibility, signature: &Signature) -> TokenStream {
    let name = struct_name(&signature.ident);
    let fields = signature
        .inputs
        .iter()
        .skip(1)
        .filter_map(|input| match input {
            FnArg::Typed(typed) => match (&*typed.pat, &*typed.ty) {
                (Pat::Ident(ident), syn::Type::Path(path)) => {
                    let name = &ident.ident;
                    Some(quote!(#visibility #name: #path))
                }
                _ => None,
            },
            FnArg::Receiver(_) => None,
        });
    let runtime = RuntimePath::default();
    let ended = match &signature.output {
        ReturnType::Type(_, returned) => result(returned).map(
            |(output, error)| quote!(::core::result::Result<#output, #runtime::SagaError<#error>>),
        ),
        ReturnType::Default => None,
    };
    let ended = ended.unwrap_or_else(|| quote!(!));
    quote! {
        #[allow(dead_code, missing_docs)]
        #visibility struct #name { #(#fields),* }

        #[allow(dead_code, missing_docs, clippy::all, clippy::pedantic)]
        impl #name {
            #visibility async fn execute<S: ?::core::marker::Sized>(self, _: &S) -> #ended {
                loop {}
            }
        }
    }
}
