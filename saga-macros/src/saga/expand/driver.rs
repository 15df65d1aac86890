//! The driver of a saga: its body, between the start and the end of a run.

use proc_macro2::{Delimiter, TokenStream};
use quote::quote;
use syn::Type;
use syn::spanned::Spanned;

use super::names::{hidden, run, slot, slots, slots_variable, variable};
use super::{body, names, order_rule, shape};
use crate::saga::model::Saga;
use crate::spans::{at, group};

// Expands to:
//
//     let site0 = Site::new();                      // one per call; its type is inferred from the call
//     let future = async move {
//         let Some(Start { saga, services, engine, lane }) = start.take() else { return pending().await };
//         let instance = engine.instance();
//         let mut slots = Slots { s0: One::EMPTY };
//         let mut run = Run::new(engine, lane, callees(&slots, engine));
//         let ended = {
//             let (run, slots, cx) = (&run, &mut slots, Context::at(services, lane.body(instance)));
//             let Self { request } = saga;
//             run.forward(pin!(async move { … })).await
//         };
//         match ended { Returned(Ok(output)) => Input::completed(&mut run, &mut slots, output), … }
//     };
//     let _ = || { … };                             // the order rule
//     Plan::new(move || Shape::new::<Self>(…), future)
//
// The body comes first. When rustc checks the rule and the shape, it then knows the types of the sites, and does not
// return to them at every line of the body.
pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    let Some(body) = &saga.body else {
        return without_body(saga);
    };
    let Saga {
        runtime,
        inputs,
        cx,
        returned,
        ..
    } = saga;
    let private = runtime.private();
    let sites = &body.sites;
    let block = body::expand(runtime, body);
    let statements = &block.stmts;
    // The body's own braces: there rustc reports a missing result.
    let braces = block.brace_token.span.join();
    let definition = super::slots::expand(runtime, sites.len());
    let site_names: Vec<_> = sites
        .iter()
        .enumerate()
        .map(|(index, site)| variable(index, site))
        .collect();
    let shape = shape::expand(saga, body);
    let rule = order_rule::expand(saga, body);
    let run = run();
    let (slots_struct, slots) = (slots(), slots_variable());
    let names = (0..sites.len()).map(slot);
    let kind = if body.repeats || sites.len() > MOST {
        quote!(Many)
    } else {
        quote!(One)
    };
    let [future, start, input, services, engine, lane, instance] = [
        "future", "start", "saga", "services", "engine", "lane", "instance",
    ]
    .map(hidden);
    let [ended, forward, output] = ["ended", "forward", "output"].map(hidden);
    let fields = inputs.iter().map(|input| input.pattern);
    let mistake = body.mistake.as_ref().map(self::mistake);
    let typed = typed(returned, &private);
    let block = group(
        Delimiter::Brace,
        braces,
        quote!(#mistake #typed #(#statements)*),
    );
    let over = quote!(<__I as #private::Input<'__lane, '__run, Self, __E>>);
    quote! {
        #definition
        #(let #site_names = #private::Site::new();)*
        let #future = async move {
            let ::core::option::Option::Some(#private::Start {
                saga: #input,
                services: #services,
                engine: #engine,
                lane: #lane,
            }) = #private::Input::take(#start) else {
                return ::core::future::pending().await;
            };
            let #instance = #private::Engine::instance(#engine);
            let mut #slots = #slots_struct { #(#names: #private::#kind::EMPTY),* };
            let mut #run = #private::Run::new(#engine, #lane, #private::callees(&#slots, #engine));
            let #ended = {
                let (#run, #slots) = (&#run, &mut #slots);
                let #cx = #runtime::Context::at(#services, #lane.body(#instance));
                let Self { #(#fields),* } = #input;
                let #forward = ::core::pin::pin!(async move #block);
                #run.forward(#forward).await
            };
            match #ended {
                #private::Forward::Returned(::core::result::Result::Ok(#output)) => {
                    #over::completed(&mut #run, &mut #slots, #output)
                }
                #ended => #over::ended(&mut #run, &mut #slots, #ended).await,
            }
        };
        #rule
        #private::Plan::new(#shape, #future)
    }
}

/// The most calls for which a run keeps a bit each.
const MOST: usize = 64;

/// The driver of a saga whose body can't be compiled. It never runs.
fn without_body(saga: &Saga<'_>) -> TokenStream {
    let (runtime, private, start) = (&saga.runtime, saga.runtime.private(), hidden("start"));
    quote! {
        let _ = #start;
        #private::Plan::new(
            || #runtime::Shape::new::<Self>(#private::Vec::new()),
            ::core::future::pending(),
        )
    }
}

// Expands to:
//
//     if false { return never::<Result<Receipt, CheckoutError>>(); }
//
// It gives the block the return type of the function: `?` converts to its error, and rustc reports a value of another
// type at its place.
fn typed(returned: &Type, private: &TokenStream) -> TokenStream {
    let span = returned.span();
    let before = at(span, quote!(return #private::never::<));
    let after = at(span, quote!(>()));
    quote!(if false { #before #returned #after; })
}

// Expands to:
//
//     let mistake = compile_error! { … };
//
// The variable stands in the body for every expression that breaks a rule.
fn mistake(error: &syn::Error) -> TokenStream {
    let (mistake, error) = (names::mistake(), error.to_compile_error());
    quote!(let #mistake = #error;)
}
