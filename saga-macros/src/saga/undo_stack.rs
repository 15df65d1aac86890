//! The undo stack of a saga: an enum with a variant for each call of a step.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::{undo, variant};
use crate::runtime_path::RuntimePath;

// Expands to:
//
//     enum Undo<S0, S1> { S0(S0), S1(S1) }          // each is a `Called<…>`
//     impl<S0: Undo, S1: Undo> Entry for Undo<S0, S1> { … }
//     impl<S0: Undo, S1: Undo> Undo for Undo<S0, S1> { … }
//
// The enum itself asks nothing of its parameters: they are inferred, and every bound on them would have to wait, at
// every call, until all of them are known.
pub(super) fn expand(runtime: &RuntimePath, sites: usize) -> TokenStream {
    let private = runtime.private();
    let undo = undo();
    let variants: Vec<_> = (0..sites).map(variant).collect();
    quote! {
        enum #undo<#(#variants),*> {
            #(#variants(#variants)),*
        }

        impl<#(#variants: #private::Undo),*> #private::Entry for #undo<#(#variants),*> {
            #[inline]
            fn step(&self) -> &'static #runtime::StepMeta {
                match self { #(Self::#variants(called) => #private::Entry::step(called),)* }
            }

            #[inline]
            fn was_done(&self) -> bool {
                match self { #(Self::#variants(called) => #private::Entry::was_done(called),)* }
            }
        }

        impl<#(#variants: #private::Undo),*> #private::Undo for #undo<#(#variants),*> {
            #[inline]
            fn compensate<'a, __E: #runtime::Engine>(
                &'a self,
                engine: &'a __E,
                calls: &'a dyn #runtime::Calls,
                before: usize,
            ) -> impl ::core::future::Future<Output = #private::Compensated<__E>> + ::core::marker::Send {
                async move {
                    match self { #(Self::#variants(called) => #private::Undo::compensate(called, engine, calls, before).await,)* }
                }
            }
        }
    }
}
