//! A group: the calls of several steps, handed to the run together.

use proc_macro2::{Delimiter, TokenStream};
use quote::quote;
use syn::{Expr, Index, Token};

use super::names::{hidden, run, slot, slots_variable, variable};
use crate::runtime_path::RuntimePath;
use crate::saga::model::{First, Results, Site};
use crate::spans::{at, group};

// Expands to, for `try_join!(charge(cx, &order), reserve(cx, &order))?`:
//
//     match (IsStepCall::of(charge(cx, &order)), IsStepCall::of(reserve(cx, &order))) {
//         (call1, call2) => match run.group((
//             run.member(1, site1, call1, &mut slots.s1),
//             run.member(2, site2, call2, &mut slots.s2),
//         )).await {
//             ended => (match ended.0 { Some(result) => result, None => pending().await }?, …),
//         },
//     }
//
// Without the `?`, it is the first refusal or all outputs:
//
//             ended => 'group: { Ok((match … { Ok(output) => output, Err(error) => break 'group Err(error) }, …)) },
pub(super) fn expand(
    runtime: &RuntimePath,
    members: &[(usize, &Site, Expr)],
    results: &Results,
    first: First,
) -> TokenStream {
    let rules = runtime.rules();
    let (run, slots) = (run(), slots_variable());
    let calls = members.iter().map(|(_, site, call)| {
        let rule = at(site.span, quote!(#rules::IsStepCall::of));
        let value = group(Delimiter::Parenthesis, site.span, quote!(#call));
        quote!(#rule #value)
    });
    let called: Vec<_> = (0..members.len())
        .map(|index| hidden(&format!("call{index}")))
        .collect();
    let [ended, result, output, error] = ["ended", "result", "output", "error"].map(hidden);
    // Rustc reports an error that can't be converted at the call that gives it.
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
            let result = quote!(#keyword #ended.#index #arm);
            match first {
                First::EndsTheSaga => {
                    let question = Token![?](site.span);
                    quote!(#result #question)
                }
                First::IsTheResult => quote! {
                    match #result {
                        ::core::result::Result::Ok(#output) => #output,
                        ::core::result::Result::Err(#error) => {
                            break '__group ::core::result::Result::Err(#error)
                        }
                    }
                },
            }
        })
        .collect();
    let entries = members.iter().zip(&called).map(|((index, site, _), call)| {
        let (site, slot) = (variable(*index, site), slot(*index));
        quote!(#run.member(#index, #site, #call, &mut #slots.#slot))
    });
    let results = nest(results, &results_of);
    let results = match first {
        First::EndsTheSaga => results,
        First::IsTheResult => quote!('__group: { ::core::result::Result::Ok(#results) }),
    };
    quote! {
        match (#(#calls),*) {
            (#(#called),*) => match #run.group((#(#entries),*)).await {
                #ended => #results,
            },
        }
    }
}

/// The results of the members, nested as the group is.
fn nest(results: &Results, ended: &[TokenStream]) -> TokenStream {
    match results {
        Results::Of(index) => {
            let ended = &ended[*index];
            quote!(#ended)
        }
        Results::All(members) => {
            let members = members.iter().map(|member| nest(member, ended));
            quote!((#(#members),*))
        }
    }
}
