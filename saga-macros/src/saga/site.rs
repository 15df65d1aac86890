//! The call of a step in the body, handed to the run.

use proc_macro2::{Delimiter, TokenStream};
use quote::quote;
use syn::{Expr, ExprAwait, Index, Token};

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
// `match RecordedError::of(HandledCall::of(…)) { (call, errors) => …`.
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
    let (called, pattern, settled, pursue) = match site.refusal {
        Refusal::Ends => (
            of(quote!(#rules::StepCall::of), quote!(#base)),
            quote!(#call),
            quote!(settled),
            quote!(step(#call, #first, #entry)),
        ),
        Refusal::IsHandled => {
            let called = of(quote!(#rules::HandledCall::of), quote!(#base));
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
    let returned = quote!(#keyword #called #arm);
    if site.refusal == Refusal::Ends {
        return Expr::Verbatim(returned);
    }
    // What never fails gives its output itself.
    let arguments = group(
        Delimiter::Parenthesis,
        site.span,
        quote!(#site_variable, #returned),
    );
    let function = at(site.span, quote!(#private::returned));
    Expr::Verbatim(quote!(#function #arguments))
}

// Expands to, for `try_join!(charge(cx, &order), reserve(cx, &order))?`:
//
//     match (StepCall::of(charge(cx, &order)), StepCall::of(reserve(cx, &order))) {
//         (call1, call2) => match run.group((
//             run.member(call1, site1, Undo::S1),
//             run.member(call2, site2, Undo::S2),
//         )).await {
//             ended => (match ended.0 { Some(result) => result, None => pending().await }?, …),
//         },
//     }
pub(super) fn expand_group(
    runtime: &RuntimePath,
    members: &[(usize, &Site, Expr)],
    results: &Results,
) -> TokenStream {
    let rules = runtime.rules();
    let (run, undo) = (run(), undo());
    let calls = members.iter().map(|(_, site, call)| {
        let rule = at(site.span, quote!(#rules::StepCall::of));
        let value = group(Delimiter::Parenthesis, site.span, quote!(#call));
        quote!(#rule #value)
    });
    let called: Vec<_> = (0..members.len())
        .map(|index| hidden(&format!("call{index}")))
        .collect();
    let [ended, result] = ["ended", "result"].map(hidden);
    // An error that can't be converted is reported at the call that gives it.
    let results_of: Vec<_> = members
        .iter()
        .enumerate()
        .map(|(index, (_, site, _))| {
            let index = Index::from(index);
            let keyword = Token![match](site.span);
            let arms = quote! {
                ::core::option::Option::Some(#result) => #result,
                ::core::option::Option::None => ::core::future::pending().await,
            };
            let arm = group(Delimiter::Brace, site.span, arms);
            let question = Token![?](site.span);
            quote!(#keyword #ended.#index #arm #question)
        })
        .collect();
    let entries = members.iter().zip(&called).map(|((index, site, _), call)| {
        let (site, variant) = (variable(*index, site), variant(*index));
        quote!(#run.member(#call, #site, #undo::#variant))
    });
    let results = results.expand(&results_of);
    quote! {
        match (#(#calls),*) {
            (#(#called),*) => match #run.group((#(#entries),*)).await {
                #ended => #results,
            },
        }
    }
}

// Expands to, for `try_join_all(8, &articles, |article| reserve(cx, article)).await`:
//
//     match try_join_all(8, &articles, |article| StepCall::of(reserve(cx, article))) {
//         call => run.fan_out(call, site0, Undo::S0).await,
//     }
pub(super) fn expand_fan_out(index: usize, site: &Site, awaited: &ExprAwait) -> Expr {
    let (run, site_variable) = (run(), variable(index, site));
    let (undo, variant, call) = (undo(), variant(index), hidden("call"));
    let ExprAwait {
        base,
        dot_token,
        await_token,
        ..
    } = awaited;
    let keyword = Token![match](site.span);
    let arm = quote!(#call => #run.fan_out(#call, #site_variable, #undo::#variant) #dot_token #await_token,);
    let arm = group(Delimiter::Brace, await_token.span, arm);
    Expr::Verbatim(quote!(#keyword #base #arm))
}

/// How the results of a group are nested: `try_join!(a, try_join!(b, c))` gives `(a, (b, c))`.
pub(super) enum Results {
    /// That of the member with this index in the group.
    Of(usize),
    All(Vec<Results>),
}

impl Results {
    fn expand(&self, ended: &[TokenStream]) -> TokenStream {
        match self {
            Self::Of(index) => {
                let ended = &ended[*index];
                quote!(#ended)
            }
            Self::All(members) => {
                let members = members.iter().map(|member| member.expand(ended));
                quote!((#(#members),*))
            }
        }
    }
}
