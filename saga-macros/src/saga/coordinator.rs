//! The coordinator of a saga: its body, between the start and the end of a run.

use proc_macro2::{Delimiter, TokenStream};
use quote::quote;
use syn::Type;
use syn::spanned::Spanned;

use super::model::{Body, Saga};
use super::names::{hidden, run, undo, variable};
use super::{mirror, shape, undo_stack};
use crate::spans::{at, group};

// Expands to:
//
//     let site0 = Site::new();                      // one per call; its type is inferred from the call
//     let future = async move {
//         let Some(Start { saga, services, engine }) = start.take() else { return pending().await };
//         let watch = Watch::new(engine.instance());
//         let mut run = Run::<_, Undo<_>, 1>::new(&watch, &engine);
//         let ended = {
//             let (run, cx, Self { request }) = (&mut run, Context::of_saga(…), saga);
//             watch.forward(pin!(async move { … })).await
//         };
//         run.finish(ended).await
//     };
//     let _ = || { … };                             // the order rule
//     Plan::new(move || Shape::new::<Self>(…), future)
//
// The body comes first: by the time that the rule and the shape are checked, the types of the sites are known, and the
// compiler need not come back to them at every line of the body.
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
    let Body { block, sites, .. } = body;
    let statements = &block.stmts;
    // The body's own braces: there it is reported if a result is missing.
    let braces = block.brace_token.span.join();
    let stack = undo_stack::expand(runtime, sites.len());
    let site_names: Vec<_> = sites
        .iter()
        .enumerate()
        .map(|(index, site)| variable(index, site))
        .collect();
    let shape = shape::expand(saga, body);
    let mirror = mirror::expand(saga, body);
    let (run, undo, room) = (run(), undo(), sites.len());
    let inferred = sites.iter().map(|_| quote!(_));
    let [future, start, input, services, engine] =
        ["future", "start", "saga", "services", "engine"].map(hidden);
    let [watch, ended, forward, output] = ["watch", "ended", "forward", "output"].map(hidden);
    let fields = inputs.iter().map(|input| input.pattern);
    let typed = typed(returned, &private);
    let block = group(Delimiter::Brace, braces, quote!(#typed #(#statements)*));
    quote! {
        #stack
        #(let #site_names = #private::Site::new();)*
        let #future = async move {
            let ::core::option::Option::Some(#private::Start {
                saga: #input,
                services: #services,
                engine: #engine,
            }) = #private::Input::take(#start) else {
                return ::core::future::pending().await;
            };
            let #watch = #private::Watch::new(#runtime::Engine::instance(&#engine));
            let mut #run = #private::Run::<_, #undo<#(#inferred),*>, #room>::new(&#watch, &#engine);
            let #ended = {
                let #run = &mut #run;
                let #cx = #runtime::Context::of_saga(#services, #runtime::Engine::instance(&#engine));
                let Self { #(#fields),* } = #input;
                let #forward = ::core::pin::pin!(async move #block);
                #watch.forward(#forward).await
            };
            match #ended {
                #private::Forward::Returned(::core::result::Result::Ok(#output)) => {
                    #run.complete::<Self>(#output)
                }
                #ended => #run.finish::<Self>(#ended).await,
            }
        };
        #mirror
        #private::Plan::new(#shape, #future)
    }
}

/// The coordinator of a saga whose body can't be compiled: nothing runs it.
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
// The block has the return type of the function: `?` converts to its error, and a value of another type is reported
// where it stands.
fn typed(returned: &Type, private: &TokenStream) -> TokenStream {
    let span = returned.span();
    let before = at(span, quote!(return #private::never::<));
    let after = at(span, quote!(>()));
    quote!(if false { #before #returned #after; })
}
