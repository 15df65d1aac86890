//! The mirror of a saga's body: its structure with types for phases, which the compiler checks and nobody runs.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::body::variable;
use super::model::{Flow, Saga};
use crate::spans::at;

// Expands to:
//
//     let _ = || {
//         let point = begin();
//         let point = then(point, site0);
//         let point = then(point, site1);
//     };
pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    let rules = saga.runtime.rules();
    let point = point(saga.signature.ident.span());
    let steps = sequence(saga, &saga.flow);
    quote! {
        let _ = || {
            let #point = #rules::begin();
            #steps
            let _ = #point;
        };
    }
}

fn point(span: Span) -> Ident {
    Ident::new("__point", span)
}

fn sequence(saga: &Saga<'_>, flow: &[Flow]) -> TokenStream {
    flow.iter().map(|one| one_point(saga, one)).collect()
}

/// Each line stands at the place of the code that it mirrors.
fn one_point(saga: &Saga<'_>, flow: &Flow) -> TokenStream {
    let rules = saga.runtime.rules();
    let next = point(saga.signature.ident.span());
    match flow {
        Flow::Step(index) => {
            let span = saga.sites[*index].span;
            let site = variable(*index, &saga.sites[*index]);
            let then = at(span, quote!(#rules::then));
            let call = at(span, quote!((#next, #site)));
            quote!(let #next = #then #call;)
        }
        Flow::MayFail(span) => {
            let may_fail = at(*span, quote!(#rules::may_fail));
            let call = at(*span, quote!((#next)));
            quote!(let #next = #may_fail #call;)
        }
        Flow::Branch(ways) => {
            let ends = ways.iter().map(|way| {
                let steps = sequence(saga, &way.flow);
                quote!({ #steps #next })
            });
            let joined = ends.reduce(|one, other| quote!(#rules::join(#one, #other)));
            quote!(let #next = #joined;)
        }
        Flow::Return => quote!(let #next = #rules::left(#next);),
    }
}
