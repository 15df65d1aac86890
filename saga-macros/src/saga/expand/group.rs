//! A group: the calls of several steps, handed to the run together.

use proc_macro2::{Delimiter, TokenStream};
use syn::{Expr, Token};

use super::names::{hidden, number, run, slot, variable};
use super::scope::Aliases;
use crate::saga::model::{First, Results, Site};
use crate::spans::{at, code, group, here};

// Expands to, for `try_join!(charge(cx, &order), reserve(cx, &order))?`:
//
//     match (IsMember::of(charge(cx, &order)), IsMember::of(reserve(cx, &order))) {
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
//
// If the body handles that, each call comes with the code that records its error:
//
//     match (RecordedError::of(IsMember::of(charge(cx, &order))), …) {
//         (call1, call2) => match run.handled_group((run.handled_member(1, site1, call1, &mut slots.0.1), …)).await {
pub(super) fn expand(
    members: &[(usize, &Site, Expr)],
    count: usize,
    results: &Results,
    first: First,
) -> TokenStream {
    let Aliases { private, rules } = Aliases::new();
    let run = run();
    let of = |site: &Site, rule: TokenStream, value: TokenStream| {
        let rule = at(site.span, rule);
        let value = group(Delimiter::Parenthesis, site.span, value);
        code!(#rule #value)
    };
    let calls = members.iter().map(|(_, site, call)| match first {
        First::EndsTheSaga | First::IsTheResult => {
            of(site, code!(#rules::IsMember::of), code!(#call))
        }
        First::IsHandled => {
            let called = of(site, code!(#rules::IsMember::of), code!(#call));
            of(site, code!(#rules::RecordedError::of), called)
        }
    });
    let (run_group, run_member) = match first {
        First::EndsTheSaga | First::IsTheResult => (code!(group), code!(member)),
        First::IsHandled => (code!(handled_group), code!(handled_member)),
    };
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
                ::core::option::Option::Some(#result) => #result,
                ::core::option::Option::None => #private::pending().await,
            };
            let arm = group(Delimiter::Brace, site.span, arms);
            let result = code!(#keyword #ended.#index #arm);
            match first {
                First::EndsTheSaga => {
                    let question = Token![?](site.span);
                    code!(#result #question)
                }
                First::IsTheResult | First::IsHandled => {
                    // The variable keeps the context of generated code.
                    let placed = here().located_at(site.span);
                    let refused = at(placed, code!(::core::result::Result::Err(#error)));
                    code! {
                        match #result {
                            ::core::result::Result::Ok(#output) => #output,
                            ::core::result::Result::Err(#error) => break '__group #refused,
                        }
                    }
                }
            }
        })
        .collect();
    let entries = members.iter().zip(&called).map(|((index, site, _), call)| {
        let (number, slot) = (number(*index), slot(*index, count, site));
        let site = variable(*index, site);
        code!(#run.#run_member(#number, #site, #call, &mut #slot))
    });
    let results = nest(results, &results_of);
    let results = match first {
        First::EndsTheSaga => results,
        First::IsTheResult | First::IsHandled => {
            code!('__group: { ::core::result::Result::Ok(#results) })
        }
    };
    code! {
        match (#(#calls),*) {
            (#(#called),*) => match #run.#run_group((#(#entries),*)).await {
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
