//! A group: the calls of several steps, handed to the run together.

use proc_macro2::{Delimiter, TokenStream};
use syn::{Expr, Token};

use super::names::{hidden, number, run, slot, variable};
use super::scope::Aliases;
use crate::saga::model::{First, Results, Site};
use crate::spans::{at, code, group};

// Expands to, for `try_join!(charge(cx, &order), reserve(cx, &order))?`:
//
//     match (IsStepCall::of(charge(cx, &order)), IsStepCall::of(reserve(cx, &order))) {
//         (call1, call2) => match run.group((
//             run.member(1, site1, call1, &mut slots.0.1),
//             run.member(2, site2, call2, &mut slots.0.2),
//         )).await {
//             ended => (match ended.0 { Some(result) => result, None => pending().await }?, …),
//         },
//     }
//
// Without the `?`, it is the first refusal or all outputs:
//
//             ended => 'group: { Ok((match … { Ok(output) => output, Err(error) => break 'group Err(error) }, …)) },
pub(super) fn expand(
    members: &[(usize, &Site, Expr)],
    count: usize,
    results: &Results,
    first: First,
) -> TokenStream {
    let Aliases { private, rules } = Aliases::new();
    let run = run();
    let calls = members.iter().map(|(_, site, call)| {
        let rule = at(site.span, code!(#rules::IsStepCall::of));
        let value = group(Delimiter::Parenthesis, site.span, code!(#call));
        code!(#rule #value)
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
            let index = number(index);
            let keyword = Token![match](site.span);
            let arms = code! {
                #private::Some(#result) => #result,
                ::core::option::Option::None => #private::pending().await,
            };
            let arm = group(Delimiter::Brace, site.span, arms);
            let result = code!(#keyword #ended.#index #arm);
            match first {
                First::EndsTheSaga => {
                    let question = Token![?](site.span);
                    code!(#result #question)
                }
                First::IsTheResult => code! {
                    match #result {
                        #private::Ok(#output) => #output,
                        #private::Err(#error) => break '__group #private::Err(#error),
                    }
                },
            }
        })
        .collect();
    let entries = members.iter().zip(&called).map(|((index, site, _), call)| {
        let (number, slot) = (number(*index), slot(*index, count, site));
        let site = variable(*index, site);
        code!(#run.member(#number, #site, #call, &mut #slot))
    });
    let results = nest(results, &results_of);
    let results = match first {
        First::EndsTheSaga => results,
        First::IsTheResult => code!('__group: { #private::Ok(#results) }),
    };
    code! {
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
            code!(#ended)
        }
        Results::All(members) => {
            let members = members.iter().map(|member| nest(member, ended));
            code!((#(#members),*))
        }
    }
}
