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
mod scope;
mod shape;
mod slots;

use proc_macro2::{Delimiter, Ident, Literal, TokenStream};

use super::model::{CountsAs, Saga};
use crate::duration;
use crate::signature::lifetimes::with_lifetime;
use crate::signature::{associated, returned};
use crate::spans::{at, code, generate, group, literal};
use names::hidden;
use scope::Aliases;

pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    generate(saga.signature.ident.span(), || all(saga))
}

/// A saga whose body stands elsewhere.
pub(super) fn without_body(mut saga: Saga<'_>) -> TokenStream {
    generate(saga.signature.ident.span(), || {
        let definition = definition::expand(&saga);
        saga.body = None;
        let function = function(&saga);
        let implementations = implementations(&saga);
        code!(#definition #function #implementations)
    })
}

fn all(saga: &Saga<'_>) -> TokenStream {
    let definition = definition::expand(saga);
    let function = function(saga);
    let implementations = implementations(saga);
    code!(#definition #function #implementations)
}

fn execute(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        visibility,
        signature,
        name,
        returned,
        ..
    } = saga;
    let private = Aliases::new().private;
    // Rustc shows this place as their definition.
    let [execute, shape, services] =
        ["execute", "shape", "services"].map(|name| Ident::new(name, signature.ident.span()));
    let (output, error) = match returned::both(returned) {
        Some((output, error)) => (code!(#output), code!(#error)),
        None => (
            code!(<Self as #private::Saga>::Output),
            code!(<Self as #private::Saga>::Error),
        ),
    };
    code! {
        #[allow(dead_code, clippy::all, clippy::pedantic)]
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
                #services: &'run <Self as #private::Saga>::Services,
            ) -> impl #private::Future<Output = #private::Result<#output, #private::SagaError<#error>>> + #private::Send + use<'run> {
                #private::execute(self, #services)
            }

            /// The steps and branches of the saga, without running anything.
            #[must_use]
            #visibility fn #shape() -> #private::Shape {
                #private::shape::<Self>()
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
    let returned = at(span, code!(-> #rules::SubSaga<'__run, #name>));
    let body = code!(#rules::SubSaga::new(#cx, #name { #(#names),* }));
    let body = group(Delimiter::Brace, span, body);
    let attributes = at(
        span,
        code!(#[doc(hidden)] #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]),
    );
    code! {
        #(#conditions)*
        #attributes
        #visibility #keyword #function<'__run>(#cx: #context, #(#names: #types),*) #returned #body
    }
}

// Expands to:
//
//     const _: () = {
//         use ::saga_runtime::{__private as __p, rules as __r};
//         impl PlaceOrder { pub fn execute(…) … pub fn shape() … }
//         impl Saga for PlaceOrder { … }
//         impl Inputs<(OrderRequest,)> for PlaceOrder { … }
//         impl Callee for PlaceOrder { … }
//         impl Serialize for PlaceOrder { … }
//     };
fn implementations(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        lints,
        conditions,
        name,
        context,
        inputs,
        returned,
        ..
    } = saga;
    let aliases = Aliases::new();
    let (private, rules) = (&aliases.private, &aliases.rules);
    let uses = aliases.both(runtime);
    let meta = meta(saga);
    let services = associated::services(rules, context);
    let [output, error] = match returned::both(returned) {
        Some((output, error)) => {
            [("Output", output), ("Error", error)].map(|(name, ty)| associated::itself(name, ty))
        }
        None => ["Output", "Error"].map(|name| associated::of_result(rules, returned, name)),
    };
    let errors = associated::error_record(private);
    let source = source(private);
    let equality = definition::equality(saga);
    let execute = execute(saga);
    let driver = driver::expand(saga);
    let serialize = definition::serialize(saga);
    let start = hidden("start");
    let kind = match saga.options.counts_as {
        CountsAs::Compensatable => code!(Compensatable),
        CountsAs::Pivot => code!(Pivot),
        CountsAs::Retriable => code!(Retriable),
    };
    let names = inputs.iter().map(|input| input.name);
    let types: Vec<_> = inputs.iter().map(|input| input.ty).collect();
    code! {
        #(#conditions)*
        #[allow(deprecated, unused_qualifications, clippy::manual_async_fn)]
        #[allow(clippy::items_after_statements, clippy::needless_pass_by_value, clippy::too_many_lines)]
        const _: () = {
            #uses

            #execute

            // Not `#[automatically_derived]`: the compiler would not warn of unused variables in the body, nor count it as covered.
            #(#lints)*
            impl #runtime::Saga for #name {
                const META: #private::SagaMeta = #meta;
                #services
                #output
                #error
                #source
                #errors
                #equality

                fn shape() -> #private::Shape {
                    #private::shape::<Self>()
                }

                #[inline]
                fn driver<'__lane, '__run: '__lane, __E: #private::Engine + '__run, __I: #private::Input<'__lane, '__run, Self, __E>>(
                    #start: __I,
                ) -> #private::Plan<impl #private::FnOnce() -> #private::Shape, impl #private::Future<Output = __I::End> + #private::Send> {
                    #driver
                }
            }

            #[automatically_derived]
            #[allow(clippy::unused_unit)]
            impl #private::Inputs<(#(#types,)*)> for #name {
                #[inline]
                fn inputs(self) -> (#(#types,)*) {
                    (#(self.#names,)*)
                }
            }

            #[automatically_derived]
            impl #private::Callee for #name {
                const CALLEE: #private::StepMeta = #private::saga_callee::<Self>(#private::Kind::#kind);
                type Kind = #private::#kind;

                fn node() -> #private::Node {
                    #private::inner::<Self>()
                }
            }

            #serialize
        };
    }
}

// Expands to:
//
//     fn source_of(error: &Self::Error) -> Option<&(dyn Error + 'static)> {
//         use {HoldsError as _, IsError as _, IsText as _};
//         (&&SourceOf(error)).source()
//     }
//
// The references make rustc find the method of an error that is an `Error` first, then that of one that holds an `Error`.
fn source(private: &TokenStream) -> TokenStream {
    let error = hidden("error");
    code! {
        fn source_of(
            #error: &Self::Error,
        ) -> ::core::option::Option<&(dyn ::core::error::Error + 'static)> {
            #[allow(unused_imports)]
            use #private::{HoldsError as _, IsError as _, IsText as _};
            (&&#private::SourceOf(#error)).source()
        }
    }
}

fn meta(saga: &Saga<'_>) -> TokenStream {
    let options = &saga.options;
    let private = Aliases::new().private;
    let name = literal(&options.name);
    let version = options
        .version
        .map(|version| literal(Literal::u32_unsuffixed(version)))
        .map(|version| code!(.version(#version)));
    let deadline = options
        .deadline
        .map(duration::tokens)
        .map(|deadline| code!(.deadline(#deadline)));
    let policy = options
        .policy
        .as_ref()
        .map(|policy| code!(.policy(#policy)));
    let halts = options
        .halts
        .then(|| code!(.on_compensation_failure(#private::OnCompensationFailure::Halt)));
    let parallel = options
        .parallel
        .then(|| code!(.compensations(#private::CompensationOrder::Parallel)));
    code!(#private::SagaMeta::new(#name) #version #deadline #policy #halts #parallel)
}
