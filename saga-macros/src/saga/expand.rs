//! From a checked saga to code: its struct, its coordinator, and the ways to run it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, Pat, PathArguments, Type};

use super::body::{run, undo, variable, variant};
use super::model::{Saga, Site};
use super::{mirror, shape};
use crate::duration;
use crate::spans::at;
use crate::step::with_lifetime;

pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    let definition = definition(saga);
    let execute = execute(saga);
    let function = function(saga);
    let implementation = implementation(saga);
    quote!(#definition #execute #function #implementation)
}

// Expands to:
//
//     /// Sells one order. …
//     #[derive(Serialize, Deserialize)]
//     pub struct PlaceOrder { pub request: OrderRequest }
fn definition(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        attributes,
        visibility,
        name,
        inputs,
        sites,
        options,
        ..
    } = saga;
    let private = runtime.private();
    let serde = runtime.serde();
    let note = note(&options.name, sites);
    let fields = inputs.iter().map(|input| {
        let (attributes, name, ty) = (input.attributes, input.name, input.ty);
        let doc = format!("The saga's input `{name}`.");
        quote!(#[doc = #doc] #(#attributes)* #visibility #name: #ty)
    });
    quote! {
        #(#attributes)*
        #[doc = #note]
        #[derive(#private::serde::Serialize, #private::serde::Deserialize)]
        #[serde(crate = #serde)]
        #visibility struct #name { #(#fields),* }
    }
}

/// What the documentation of the struct says about the saga.
fn note(name: &str, sites: &[Site]) -> String {
    let mut note = format!("\n\n# The saga `{name}`\n\nIts steps, in the order of the source:\n");
    for (index, site) in sites.iter().enumerate() {
        note += &format!("{}. `{}`\n", index + 1, site.path);
    }
    note += "\n`shape()` tells which of them are compensated by what.";
    note
}

fn execute(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        visibility,
        name,
        returned,
        ..
    } = saga;
    let (output, error) = match result(returned) {
        Some((output, error)) => (quote!(#output), quote!(#error)),
        None => (
            quote!(<Self as #runtime::Saga>::Output),
            quote!(<Self as #runtime::Saga>::Error),
        ),
    };
    quote! {
        #[allow(dead_code, clippy::all, clippy::pedantic)]
        impl #name {
            /// Runs the saga in process, in the future that this returns.
            ///
            /// # Errors
            /// If the saga failed: at which step, why, and what has become of the steps before it.
            ///
            /// # Cancel safety
            /// Not cancel safe: if the future is dropped, the saga ends where it is and nothing is compensated.
            #[inline]
            #visibility fn execute(
                self,
                services: &<Self as #runtime::Saga>::Services,
            ) -> impl ::core::future::Future<
                Output = ::core::result::Result<#output, #runtime::SagaError<#error>>,
            > + ::core::marker::Send {
                #runtime::InProcess::new(services).execute(self)
            }

            /// The steps and branches of the saga, without running anything.
            #[must_use]
            #visibility fn shape() -> #runtime::Shape {
                <Self as #runtime::Saga>::shape()
            }
        }
    }
}

/// `Output` and `Error` of a return type that is written as `Result<Output, Error>`.
pub(super) fn result(returned: &Type) -> Option<(&Type, &Type)> {
    let Type::Path(path) = returned else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    let both = (types.next()?, types.next()?);
    types.next().is_none().then_some(both)
}

/// The function by its own name: what a saga inside of another saga will call.
fn function(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        visibility,
        signature,
        name,
        context,
        inputs,
        ..
    } = saga;
    let private = runtime.private();
    let function = &signature.ident;
    let context = with_lifetime(context, "'_");
    let names: Vec<_> = inputs.iter().map(|input| input.name).collect();
    let types = inputs.iter().map(|input| input.ty);
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, clippy::all, clippy::pedantic)]
        #visibility fn #function(_: #context, #(#names: #types),*) -> #private::SubSaga<#name> {
            #private::SubSaga::new(#name { #(#names),* })
        }
    }
}

fn implementation(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime,
        signature,
        name,
        context,
        returned,
        ..
    } = saga;
    let (private, rules) = (runtime.private(), runtime.rules());
    let meta = meta(saga);
    let context = with_lifetime(context, "'static");
    let span = returned.span();
    let open = at(span, quote!(<));
    let [output, error] = ["Output", "Error"].map(|name| {
        let name = Ident::new(name, span);
        at(span, quote!(as #rules::IsResult>::#name))
    });
    let coordinate = coordinate(saga);
    let future_span = signature.ident.span();
    let start = Ident::new("start", Span::mixed_site());
    let future = quote_spanned!(future_span=> impl ::core::future::Future<Output = __E::End<Self>> + ::core::marker::Send);
    quote! {
        #[automatically_derived]
        #[allow(clippy::needless_pass_by_value, clippy::too_many_lines, clippy::manual_async_fn)]
        impl #runtime::Saga for #name {
            const META: #runtime::SagaMeta = #meta;
            type Services = <#context as #rules::IsContext>::Services;
            type Output = #open #returned #output;
            type Error = #open #returned #error;

            #[inline]
            fn coordinate<'__run, __E, __I>(
                #start: __I,
            ) -> #private::Plan<impl ::core::ops::FnOnce() -> #runtime::Shape, #future>
            where
                __E: #runtime::Engine + '__run,
                __I: #private::Input<'__run, Self, __E> + ::core::marker::Send,
            {
                #coordinate
            }
        }
    }
}

fn meta(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        runtime, options, ..
    } = saga;
    let name = &options.name;
    let version = options.version.map(|version| quote!(.version(#version)));
    let deadline = options
        .deadline
        .map(duration::tokens)
        .map(|deadline| quote!(.deadline(#deadline)));
    let halts = options
        .halts
        .then(|| quote!(.on_compensation_failure(#runtime::OnCompensationFailure::Halt)));
    let parallel = options
        .parallel
        .then(|| quote!(.compensations(#runtime::CompensationOrder::Parallel)));
    quote!(#runtime::SagaMeta::new(#name) #version #deadline #halts #parallel)
}

// Expands to:
//
//     let site0 = Site::new();                      // one per call; its type is inferred from the call
//     let shape = move || Shape::new::<Self>(…);
//     let _ = || { … };                             // the order rule
//     Plan::new(shape, async move {
//         let Some(Start { saga, services, engine }) = start.take() else { return pending().await };
//         let watch = Watch::new(engine.instance());
//         let mut run = Run::<_, Undo<_>, 1>::new(&watch, &engine);
//         let ended = {
//             let (run, cx, Self { request }) = (&mut run, Context::of_saga(…), saga);
//             watch.forward(pin!(async move { … })).await
//         };
//         run.finish(ended).await
//     })
fn coordinate(saga: &Saga<'_>) -> TokenStream {
    let Saga {
        inputs,
        sites,
        cx,
        returned,
        body,
        ..
    } = saga;
    let runtime = &saga.runtime;
    let private = runtime.private();
    let stack = undo_stack(saga);
    let site_names: Vec<_> = sites
        .iter()
        .enumerate()
        .map(|(index, site)| variable(index, site))
        .collect();
    let shape = shape::expand(saga);
    let mirror = mirror::expand(saga);
    let (run, undo, room) = (run(), undo(), sites.len());
    let inferred = sites.iter().map(|_| quote!(_));
    let start = Ident::new("start", Span::mixed_site());
    let [saga_value, services, engine, watch, ended, forward, output] = [
        "saga", "services", "engine", "watch", "ended", "forward", "output",
    ]
    .map(|name| Ident::new(name, Span::mixed_site()));
    let fields = inputs.iter().map(|input| field(input.name, input.pattern));
    let typed = typed(returned, &private);
    quote! {
        #stack
        #(let #site_names = #private::Site::new();)*
        let shape = #shape;
        #mirror
        #private::Plan::new(shape, async move {
            let ::core::option::Option::Some(#private::Start {
                saga: #saga_value,
                services: #services,
                engine: #engine,
            }) = #private::Input::take(#start) else {
                return ::core::future::pending().await;
            };
            let #watch = #private::Watch::new(#runtime::Engine::instance(&#engine));
            let mut #run = #private::Run::<_, #undo<'_, #(#inferred),*>, #room>::new(&#watch, &#engine);
            let #ended = {
                let #run = &mut #run;
                let #cx = #runtime::Context::of_saga(#services, #runtime::Engine::instance(&#engine));
                let Self { #(#fields),* } = #saga_value;
                let #forward = ::core::pin::pin!(async move {
                    #typed
                    #body
                });
                #watch.forward(#forward).await
            };
            match #ended {
                #private::Forward::Returned(::core::result::Result::Ok(#output)) => {
                    #run.complete::<Self>(#output)
                }
                #ended => #run.finish::<Self>(#ended).await,
            }
        })
    }
}

// Expands to:
//
//     if false { return never::<Result<Receipt, CheckoutError>>(); }
//
// The block has the return type of the function: `?` converts to its error, and a value of another type is reported
// where it stands.
fn typed(returned: &Type, private: &TokenStream) -> TokenStream {
    let span = returned.span();
    let before = at(span, quote!(return #private::never::<));
    let after = at(span, quote!(>()));
    quote!(if false { #before #returned #after; })
}

/// `request`, or `request: mut request`: how the body binds a field.
fn field(name: &Ident, pattern: &Pat) -> TokenStream {
    match pattern {
        Pat::Ident(ident) if ident.mutability.is_none() && ident.by_ref.is_none() => quote!(#name),
        pattern => quote!(#name: #pattern),
    }
}

// Expands to:
//
//     enum Undo<S0: Step, S1: Step> { S0(Called<S0>), S1(Called<S1>) }
//     impl<S0: Step, S1: Step> Entry for Undo<S0, S1> { … }
//     impl<S0: Step, S1: Step> Undo for Undo<S0, S1> { … }
fn undo_stack(saga: &Saga<'_>) -> TokenStream {
    let runtime = &saga.runtime;
    let private = runtime.private();
    let undo = undo();
    let variants: Vec<_> = (0..saga.sites.len()).map(variant).collect();
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
