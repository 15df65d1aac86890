//! The undo stack of a saga: an enum with a variant for each call of a step.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::{undo, variant};
use crate::runtime_path::RuntimePath;

// Expands to:
//
//     enum Undo<S0: Step, S1: Step> { S0(Called<S0>), S1(Called<S1>) }
//     impl<S0: Step, S1: Step> Entry for Undo<S0, S1> { … }
//     impl<S0: Step, S1: Step> Undo for Undo<S0, S1> { … }
pub(super) fn expand(runtime: &RuntimePath, sites: usize) -> TokenStream {
    let private = runtime.private();
    let undo = undo();
    let variants: Vec<_> = (0..sites).map(variant).collect();
    quote! {
        enum #undo<'run, #(#variants: #runtime::Step),*> {
            #(#variants(#private::Called<'run, #variants>)),*
        }

        impl<#(#variants: #runtime::Step),*> #private::Entry for #undo<'_, #(#variants),*> {
            #[inline]
            fn step(&self) -> &'static #runtime::StepMeta {
                match self { #(Self::#variants(called) => called.step(),)* }
            }

            #[inline]
            fn was_done(&self) -> bool {
                match self { #(Self::#variants(called) => called.was_done(),)* }
            }
        }

        impl<#(#variants: #runtime::Step),*> #private::Undo for #undo<'_, #(#variants),*> {
            #[inline]
            fn compensate<'a, __E: #runtime::Engine>(
                &'a self,
                engine: &'a __E,
                calls: &'a dyn #runtime::Calls,
                before: usize,
            ) -> impl ::core::future::Future<Output = #private::Compensated<__E>> + ::core::marker::Send {
                async move {
                    match self { #(Self::#variants(called) => called.compensate(engine, calls, before).await,)* }
                }
            }
        }
    }
}
