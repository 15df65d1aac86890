//! The undo stack of a saga: an enum with a variant for each call of a step.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::{undo, variant};
use crate::runtime_path::RuntimePath;

// Expands to:
//
//     enum Undo<S0, S1> { S0(S0), S1(S1) }          // each is a `Called<…>` or an `Inner<…>`
//     impl<S0: Entry, S1: Entry> Entry for Undo<S0, S1> { … }
//     impl<E: Engine, S0: Undo<E>, S1: Undo<E>> Undo<E> for Undo<S0, S1> { … }
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

        impl<#(#variants: #private::Entry),*> #private::Entry for #undo<#(#variants),*> {
            #[inline]
            fn part(&self) -> &'static #runtime::StepMeta {
                match self { #(Self::#variants(called) => #private::Entry::part(called),)* }
            }

            #[inline]
            fn was_done(&self) -> bool {
                match self { #(Self::#variants(called) => #private::Entry::was_done(called),)* }
            }

            #[inline]
            fn closes(&self) -> bool {
                match self { #(Self::#variants(called) => #private::Entry::closes(called),)* }
            }

            #[inline]
            fn may_close(&self) -> bool {
                match self { #(Self::#variants(called) => #private::Entry::may_close(called),)* }
            }
        }

        impl<__E: #runtime::Engine, #(#variants: #private::Undo<__E>),*> #private::Undo<__E> for #undo<#(#variants),*> {
            #[inline]
            fn unwind<'a>(
                &'a self,
                engine: &'a __E,
                calls: &'a dyn #runtime::Calls,
                before: usize,
                unwinding: &'a mut #private::Unwinding,
            ) -> impl ::core::future::Future<Output = #private::Unwound<__E>> + ::core::marker::Send {
                async move {
                    match self { #(Self::#variants(called) => #private::Undo::unwind(called, engine, calls, before, unwinding).await,)* }
                }
            }
        }
    }
}
