//! The call of a step in the body, handed to the run.

use proc_macro2::{Delimiter, TokenStream};
use quote::quote;
use syn::{Expr, ExprAwait, Token};

use super::model::{Refusal, Site};
use super::names::{hidden, run, undo, variable, variant};
use crate::runtime_path::RuntimePath;
use crate::spans::{at, group};

// Expands to, for `charge(cx, &order).await?`:
//
//     match StepCall::of(charge(cx, &order)) {
//         call => 'step: {
//             let first = if run.trusts(&call, site1) {
//                 let ended = {
//                     let place = run.place(site1);
//                     let attempt = pin!(call.attempt(&place));
//                     caught(attempt).await
//                 };
//                 match ended {
//                     Attempted::Done(output) => break 'step Ok(run.done(&call, output, Undo::S1)),
//                     ended => Some(ended),
//                 }
//             } else {
//                 None
//             };
//             match run.settled(&call, first, Undo::S1) {
//                 Ok(output) => output,
//                 Err(first) => run.step(call, first, Undo::S1).await,
//             }
//         }
//     }?
//
// Where the body handles the refusal, the call comes together with how its error is written down:
// `match RecordedError::of(StepCall::of(…)) { (call, errors) => …`.
//
// The `match` keeps what the arguments borrow alive, and evaluates them before the run is borrowed.
pub(super) fn expand(
    runtime: &RuntimePath,
    index: usize,
    site: &Site,
    awaited: &ExprAwait,
) -> Expr {
    let (private, rules) = (runtime.private(), runtime.rules());
    let (run, site_variable) = (run(), variable(index, site));
    let (undo, variant) = (undo(), variant(index));
    let entry = quote!(#undo::#variant);
    let [call, errors, first, ended, place, attempt, output] = [
        "call", "errors", "first", "ended", "place", "attempt", "output",
    ]
    .map(hidden);
    let ExprAwait {
        base,
        dot_token,
        await_token,
        ..
    } = awaited;
    let of = |rule: TokenStream, value: TokenStream| {
        let rule = at(site.span, rule);
        let value = group(Delimiter::Parenthesis, site.span, value);
        quote!(#rule #value)
    };
    let called = of(quote!(#rules::StepCall::of), quote!(#base));
    let (called, pattern, settled, pursue) = match site.refusal {
        Refusal::Ends => (
            called,
            quote!(#call),
            quote!(settled),
            quote!(step(#call, #first, #entry)),
        ),
        Refusal::IsHandled => {
            let recorded = of(quote!(#rules::RecordedError::of), called);
            let handle = quote!(handle(#call, #first, #errors, #entry));
            (recorded, quote!((#call, #errors)), quote!(handled), handle)
        }
    };
    let awaiting = quote!(#dot_token #await_token);
    let arm = quote! {
        #pattern => '__step: {
            let #first = if #run.trusts(&#call, #site_variable) {
                let #ended = {
                    let #place = #run.place(#site_variable);
                    let #attempt = ::core::pin::pin!(#call.attempt(&#place));
                    #private::caught(#attempt) #awaiting
                };
                match #ended {
                    #runtime::Attempted::Done(#output) => {
                        break '__step ::core::result::Result::Ok(#run.done(&#call, #output, #entry))
                    }
                    #ended => ::core::option::Option::Some(#ended),
                }
            } else {
                ::core::option::Option::None
            };
            match #run.#settled(&#call, #first, #entry) {
                ::core::result::Result::Ok(#output) => #output,
                ::core::result::Result::Err(#first) => #run.#pursue #awaiting,
            }
        }
    };
    // From the step's name to its `.await`: that is what a `?` behind it is said of.
    let keyword = Token![match](site.span);
    let arm = group(Delimiter::Brace, await_token.span, arm);
    Expr::Verbatim(quote!(#keyword #called #arm))
}
