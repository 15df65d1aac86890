//! The driver of a saga: its body, between the start and the end of a run.

use proc_macro2::{Delimiter, Ident, TokenStream};
use syn::spanned::Spanned;
use syn::{Pat, Type};

use super::names::{hidden, run, variable};
use super::scope::Aliases;
use super::{body, names, order_rule, shape, slots};
use crate::saga::model::Saga;
use crate::spans::{at, code, group, here};

// Expands to:
//
//     let site0 = Site::new();                      // one per call; its type is inferred from the call
//     let future = async move {
//         let Some((saga, services, engine, lane)) = start.take() else { return pending().await };
//         let mut slots = SlotTuple::of((One::EMPTY, One::EMPTY));
//         let mut run = Run::new(engine, lane, callees(&slots, engine));
//         let ended = {
//             let (run, slots, cx) = (&run, &mut slots, context(services, engine, lane));
//             let (request,) = Inputs::inputs(saga);
//             run.forward(async move { … }).await
//         };
//         match ended { Returned(Ok(output)) => I::completed(&mut run, &mut slots, output), … }
//     };
//     let _ = || { … };                             // the order rule
//     Plan::new(move || Shape::new::<Self>(…), future)
//
// The body comes first. When rustc checks the rule and the shape, it then knows the types of the sites, and does not
// return to them at every line of the body.
pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    let Some(body) = &saga.body else {
        return without_body();
    };
    let Saga {
        inputs,
        cx,
        returned,
        ..
    } = saga;
    let aliases = Aliases::new();
    let private = &aliases.private;
    let sites = &body.sites;
    let block = body::expand(body);
    let statements = &block.stmts;
    // The body's own braces: there rustc reports a missing result.
    let braces = block.brace_token.span.join();
    let site_names: Vec<_> = sites
        .iter()
        .enumerate()
        .map(|(index, site)| variable(index, site))
        .collect();
    let shape = shape::expand(inputs, body);
    let rule = order_rule::expand(saga, body);
    let run = run();
    let kind = if body.repeats || sites.len() > MOST {
        hidden_kind("Many")
    } else {
        hidden_kind("One")
    };
    let empty = slots::expand(private, &kind, sites.len());
    let [start, input, services, engine, lane, slots] =
        ["start", "saga", "services", "engine", "lane", "slots"].map(hidden);
    let [future, ended, output] = ["future", "ended", "output"].map(hidden);
    let fields = inputs.iter().map(|input| input.pattern);
    let used = all_used(saga);
    let mistake = body.mistake.as_ref().map(self::mistake);
    let typed = typed(returned, private);
    let block = group(
        Delimiter::Brace,
        braces,
        code!(#mistake #typed #(#statements)*),
    );
    code! {
        #(let #site_names = #private::Site::new();)*
        let #future = async move {
            let ::core::option::Option::Some((#input, #services, #engine, #lane)) = #private::Input::take(#start) else {
                return #private::pending().await;
            };
            let mut #slots = #empty;
            let mut #run = #private::Run::new(#engine, #lane, #private::callees(&#slots, #engine));
            let #ended = {
                let (#run, #slots) = (&#run, &mut #slots);
                let #cx = #private::context(#services, #engine, #lane);
                let (#(#fields,)*) = #private::Inputs::inputs(#input);
                #used
                #run.forward(async move #block).await
            };
            match #ended {
                #private::Forward::Returned(::core::result::Result::Ok(#output)) => __I::completed(&mut #run, &mut #slots, #output),
                #ended => __I::ended(&mut #run, &mut #slots, #ended).await,
            }
        };
        #rule
        #private::Plan::new(#shape, #future)
    }
}

fn hidden_kind(name: &str) -> Ident {
    Ident::new(name, here())
}

/// The most calls for which a run keeps a bit each.
const MOST: usize = 64;

/// The driver of a saga whose body can't be compiled. It never runs.
fn without_body() -> TokenStream {
    let (private, start) = (Aliases::new().private, hidden("start"));
    code! {
        let _ = #start;
        #private::Plan::new(|| #private::Shape::new::<Self>([]), #private::pending())
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
    let before = at(span, code!(return #private::never::<));
    let after = at(span, code!(>()));
    code!(if false { #before #returned #after; })
}

// Expands to:
//
//     let _ = cx; let _ = request;
//
// Of a body with a mistake rustc would say that it does not use these. A reference to them would be kept across each `.await`.
fn all_used(saga: &Saga<'_>) -> TokenStream {
    let context = match saga.cx {
        Pat::Ident(context) => Some(&context.ident),
        _ => None,
    };
    let inputs = saga.inputs.iter().map(|input| input.name);
    let names = context.into_iter().chain(inputs);
    let names = names.filter(|name| !name.to_string().starts_with('_'));
    code!(#(let _ = #names;)*)
}

// Expands to:
//
//     let mistake = compile_error! { … };
//
// The variable stands in the body for every expression that breaks a rule.
fn mistake(error: &syn::Error) -> TokenStream {
    let (mistake, error) = (names::mistake(), error.to_compile_error());
    code!(let #mistake = #error;)
}
