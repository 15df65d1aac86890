//! The code of a checked saga: its struct, its driver, and the ways to run it.

mod body;
mod call;
mod definition;
mod driver;
mod fan_out;
mod group;
mod names;
mod order_rule;
mod picture;
mod shape;
mod slots;

use proc_macro2::{Delimiter, Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::model::{CountsAs, Saga};
use crate::duration;
use crate::signature::lifetimes::with_lifetime;
use crate::signature::{associated, returned};
use crate::spans::{at, group};
use names::hidden;

pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    let definition = definition::expand(saga);
    let execute = execute(saga);
    let function = function(saga);
    let implementation = implementation(saga);
    quote!(#definition #execute #function #implementation)
}

fn execute(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        conditions,
        visibility,
        signature,
        name,
        returned,
        ..
    } = saga;
    let private = runtime.private();
    // Rustc shows this place as their definition.
    let [execute, shape, services] =
        ["execute", "shape", "services"].map(|name| Ident::new(name, signature.ident.span()));
    let (output, error) = match returned::both(returned) {
        Some((output, error)) => (quote!(#output), quote!(#error)),
        None => (
            quote!(<Self as #runtime::Saga>::Output),
            quote!(<Self as #runtime::Saga>::Error),
        ),
    };
    quote! {
        #(#conditions)*
        #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
        impl #name {
            /// Runs the saga in process, in the future that this returns.
            ///
            /// # Errors
            /// If the saga failed. The error names the step and the cause, and compensations that failed too.
            ///
            /// # Cancel safety
            /// Not cancel safe: if the future is dropped, the saga stops where it is and nothing is compensated.
            #[inline]
            #visibility fn #execute<'run>(
                self,
                #services: &'run <Self as #runtime::Saga>::Services,
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<#output, #runtime::SagaError<#error>>,
            > + ::core::marker::Send + use<'run> {
                #private::execute(self, #services)
            }

            /// The steps and branches of the saga, without running anything.
            #[must_use]
            #visibility fn #shape() -> #runtime::Shape {
                <Self as #runtime::Saga>::shape()
            }
        }
    }
}

/// The function by its own name, which other sagas call.
fn function(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        conditions,
        visibility,
        signature,
        name,
        context,
        inputs,
        ..
    } = saga;
    let rules = runtime.rules();
    let (function, cx) = (&signature.ident, hidden("cx"));
    let context = with_lifetime(context, "'__run");
    let names: Vec<_> = inputs.iter().map(|input| input.name).collect();
    let types = inputs.iter().map(|input| input.ty);
    // Rustc shows this place as the definition, and the name alone is of use there.
    let span = function.span();
    let keyword = syn::Token![fn](span);
    let returned = at(span, quote!(-> #rules::SubSaga<'__run, #name>));
    let body = quote!(#rules::SubSaga::new(#cx, #name { #(#names),* }));
    let body = group(Delimiter::Brace, span, body);
    let attributes = at(
        span,
        quote!(#[doc(hidden)] #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]),
    );
    quote! {
        #(#conditions)*
        #attributes
        #visibility #keyword #function<'__run>(#cx: #context, #(#names: #types),*) #returned #body
    }
}

fn implementation(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        lints,
        conditions,
        signature,
        name,
        context,
        returned,
        ..
    } = saga;
    let (private, rules) = (runtime.private(), runtime.rules());
    let meta = meta(saga);
    let services = associated::services(&rules, context);
    let [output, error] =
        ["Output", "Error"].map(|name| associated::of_result(&rules, returned, name));
    let errors = associated::error_record(&private);
    let driver = driver::expand(saga);
    let future_span = signature.ident.span();
    let start = hidden("start");
    let kind = match saga.options.counts_as {
        CountsAs::Compensatable => quote!(Compensatable),
        CountsAs::Pivot => quote!(Pivot),
        CountsAs::Retriable => quote!(Retriable),
    };
    let future = quote_spanned!(future_span=> impl ::core::future::Future<Output = __I::End> + ::core::marker::Send);
    quote! {
        #(#conditions)*
        #[automatically_derived]
        #[allow(deprecated, clippy::needless_pass_by_value, clippy::too_many_lines, clippy::manual_async_fn)]
        #(#lints)*
        impl #runtime::Saga for #name {
            const META: #private::SagaMeta = #meta;
            #services
            #output
            #error
            #errors

            fn shape() -> #runtime::Shape {
                #private::shape::<Self>()
            }

            #[inline]
            fn driver<'__lane, '__run: '__lane, __E, __I>(
                #start: __I,
            ) -> #private::Plan<impl ::core::ops::FnOnce() -> #runtime::Shape, #future>
            where
                __E: #private::Engine + '__run,
                __I: #private::Input<'__lane, '__run, Self, __E> + ::core::marker::Send,
            {
                #driver
            }
        }

        #(#conditions)*
        #[automatically_derived]
        #[allow(deprecated)]
        impl #private::Callee for #name {
            const CALLEE: #private::StepMeta = #private::StepMeta::new(<Self as #runtime::Saga>::META.name, #private::Kind::#kind);
            type Kind = #private::#kind;

            fn node() -> #private::Node {
                #private::inner::<Self>()
            }
        }
    }
}

fn meta(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime, options, ..
    } = saga;
    let private = runtime.private();
    let name = &options.name;
    let version = options.version.map(|version| quote!(.version(#version)));
    let deadline = options
        .deadline
        .map(duration::tokens)
        .map(|deadline| quote!(.deadline(#deadline)));
    let halts = options
        .halts
        .then(|| quote!(.on_compensation_failure(#private::OnCompensationFailure::Halt)));
    let parallel = options
        .parallel
        .then(|| quote!(.compensations(#private::CompensationOrder::Parallel)));
    quote!(#private::SagaMeta::new(#name) #version #deadline #halts #parallel)
}
