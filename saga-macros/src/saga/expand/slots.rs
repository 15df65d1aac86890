//! The struct of the slots: one slot for each call, for the value that a compensation needs.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::{slot, slots};
use crate::runtime_path::RuntimePath;

// Expands to:
//
//     struct Slots<s0, s1> { s0: s0, s1: s1 }       // each is a `One<…>`, or a `Many<…>` if there are loops
//     impl<E: Engine, s0: Slot<E>, s1: Slot<E>> Slots<E> for Slots<s0, s1> { … }
//
// The struct puts no bounds on its parameters: rustc infers each at the call that fills its slot.
pub(super) fn expand(runtime: &RuntimePath, sites: usize) -> TokenStream {
    let private = runtime.private();
    let (struct_, names): (_, Vec<_>) = (slots(), (0..sites).map(slot).collect());
    let numbers = 0..sites;
    let (lefts, undone) = (0..sites, 0..sites);
    quote! {
        #[allow(non_camel_case_types)]
        struct #struct_<#(#names),*> {
            #(#names: #names),*
        }

        #[allow(non_camel_case_types)]
        impl<__E: #private::Engine, #(#names: #private::Slot<__E>),*> #private::Slots<__E> for #struct_<#(#names),*> {
            const CLOSES: bool = false #(|| #private::closes(&<#names as #private::Slot<__E>>::CALLEE))*;

            fn new() -> Self {
                Self { #(#names: #private::Slot::NEW),* }
            }

            fn callee(number: usize) -> &'static #private::StepMeta {
                match number {
                    #(#numbers => &const { <#names as #private::Slot<__E>>::CALLEE },)*
                    _ => ::core::unreachable!(),
                }
            }

            fn left(&self, number: usize, time: usize) -> #private::Left<'_, __E> {
                match number {
                    #(#lefts => #private::Slot::left(&self.#names, time),)*
                    _ => #private::Left::Nothing,
                }
            }

            fn undo<'a>(
                &'a self,
                number: usize,
                time: usize,
                place: &'a dyn #private::Place,
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<(), #private::String>,
            > + ::core::marker::Send {
                async move {
                    match number {
                        #(#undone => #private::Slot::undo(&self.#names, time, place).await,)*
                        _ => ::core::result::Result::Ok(()),
                    }
                }
            }
        }
    }
}
