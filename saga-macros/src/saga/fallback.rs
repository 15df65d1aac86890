//! The expansion of a saga that can't be compiled. Its mistakes are the only errors.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::{FnArg, Pat, Type};

use super::check::{struct_name, struct_of};
use super::parse::SagaSyntax;
use crate::errors::{Errors, unknown_type};
use crate::signature::context::context_type;
use crate::signature::returning;
use crate::signature::types::{borrowed, reference};
use crate::source::Source;

/// The struct of a saga with a wrong signature. Its `execute` and `shape` only typecheck, and so do the calls of other
/// sagas.
pub(super) fn stand_in(syntax: &SagaSyntax, source: &Source, errors: &mut Errors) -> TokenStream {
    let is_generic = !syntax.signature.generics.params.is_empty();
    let inputs = syntax.signature.inputs.iter().skip(1);
    let fields = inputs.filter_map(|input| field(input, is_generic));
    let visibility = &syntax.visibility;
    let is_only_mistake = errors.len() == 1;
    let Some(name) = struct_of(&syntax.attributes, &syntax.signature, source) else {
        let unknown = || unknown_type(errors.place_first().as_ref());
        return plain_function(syntax, is_only_mistake, unknown).unwrap_or_default();
    };
    let unknown = unknown(&name);
    let function = plain_function(syntax, is_only_mistake, || quote!(#unknown));
    let definition = define(&quote!(#visibility), &name, fields, errors);
    let called = &syntax.signature.ident;
    quote! {
        #definition
        #function

        #[allow(non_upper_case_globals, missing_docs, dead_code)]
        #visibility const #called: #unknown = ::core::unreachable!();
    }
}

/// The saga as a plain function, so that the items that its body uses count as used. `None` if rustc would report more
/// mistakes in it.
fn plain_function(
    syntax: &SagaSyntax,
    is_only_mistake: bool,
    unknown: impl FnOnce() -> TokenStream,
) -> Option<TokenStream> {
    let SagaSyntax {
        signature, body, ..
    } = syntax;
    let first = signature.inputs.first();
    let has_context =
        matches!(first, Some(FnArg::Typed(first)) if context_type(&first.ty).is_some());
    let body = body
        .as_ref()
        .ok()
        .filter(|_| has_context && is_only_mistake)?;
    let signature = returning(signature, unknown());
    Some(quote! {
        #[allow(dead_code, clippy::all, clippy::pedantic)]
        const _: () = { #signature #body };
    })
}

/// A saga in an `impl`: a function, as no other item may stand there.
pub(super) fn in_an_impl(syntax: &SagaSyntax, errors: &mut Errors) -> Option<TokenStream> {
    let body = syntax.body.as_ref().ok()?;
    let visibility = &syntax.visibility;
    let unknown = unknown_type(errors.place_first().as_ref());
    let signature = returning(&syntax.signature, unknown);
    Some(quote!(#[allow(dead_code, clippy::all, clippy::pedantic)] #visibility #signature #body))
}

/// A field, with its type if a field can have it: the struct has no parameters.
fn field(input: &FnArg, is_generic: bool) -> Option<(Ident, Option<TokenStream>)> {
    let FnArg::Typed(typed) = input else {
        return None;
    };
    let Pat::Ident(pattern) = &*typed.pat else {
        return None;
    };
    let ty = match &*typed.ty {
        ty @ Type::Path(_) if !is_generic && borrowed(ty).is_none() && reference(ty).is_none() => {
            Some(quote!(#ty))
        }
        _ => None,
    };
    Some((pattern.ident.clone(), ty))
}

/// A guess of the struct, from tokens that are no function yet.
pub(super) fn unread(tokens: &TokenStream, mut errors: Errors) -> TokenStream {
    let mut tokens = tokens.clone().into_iter();
    let is_fn = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "fn");
    let name = tokens.by_ref().skip_while(|token| !is_fn(token)).nth(1);
    let name = match name {
        Some(TokenTree::Ident(name)) => struct_name(&name),
        _ => None,
    };
    let stand_in = match name {
        Some(name) => {
            let inputs = tokens.find_map(|token| match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                    Some(group.stream())
                }
                _ => None,
            });
            let fields = inputs.map(names).unwrap_or_default();
            let fields = fields.into_iter().skip(1).map(|name| (name, None));
            define(&quote!(pub), &name, fields, &mut errors)
        }
        None => TokenStream::new(),
    };
    [stand_in, errors.into_tokens()].into_iter().collect()
}

/// The words before a colon.
fn names(inputs: TokenStream) -> Vec<Ident> {
    let tokens: Vec<_> = inputs.into_iter().collect();
    let before_colon = |pair: &[TokenTree]| match pair {
        [TokenTree::Ident(name), TokenTree::Punct(colon)] if colon.as_char() == ':' => {
            Some(name.clone())
        }
        _ => None,
    };
    tokens.windows(2).filter_map(before_colon).collect()
}

// Expands to:
//
//     type __PlaceOrder = [(); compile_error! { … }];
//     struct PlaceOrder { request: OrderRequest }
//     impl PlaceOrder { async fn execute<S: ?Sized>(self, _: &S) -> __PlaceOrder { … } … }
//
// The first mistake is in the type. Rustc accepts every use of a value of that type.
fn define(
    visibility: &TokenStream,
    name: &Ident,
    fields: impl Iterator<Item = (Ident, Option<TokenStream>)>,
    errors: &mut Errors,
) -> TokenStream {
    let unknown = unknown(name);
    let fields = fields.map(|(name, ty)| {
        let ty = ty.unwrap_or_else(|| quote!(#unknown));
        quote!(#visibility #name: #ty)
    });
    let mistake = unknown_type(errors.place_first().as_ref());
    quote! {
        #[allow(dead_code)]
        type #unknown = #mistake;

        #[allow(dead_code, missing_docs)]
        #visibility struct #name { #(#fields),* }

        #[allow(dead_code, missing_docs, clippy::all, clippy::pedantic)]
        impl #name {
            #visibility async fn execute<S: ?::core::marker::Sized>(self, _: &S) -> #unknown {
                loop {}
            }

            #visibility fn shape() -> #unknown {
                loop {}
            }
        }
    }
}

/// The name of the type with the first mistake.
fn unknown(name: &Ident) -> Ident {
    format_ident!("__{name}")
}
