//! The call of a step in the body, handed to the run.

use proc_macro2::{Delimiter, Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, ExprAwait, Index, Token};

use super::names::{hidden, run, slot, slots_variable, variable};
use crate::runtime_path::RuntimePath;
use crate::saga::model::{Refusal, Site};
use crate::spans::{at, group};

// Expands to, for `charge(cx, &order).await?`:
//
//     match begin(run, At::<1>, site1, (StepCall::of(charge(cx, &order)), End)) {
//         (call, tries, errors) => 'settled: {
//             {
//                 let settled = settle(
//                     if tries { first(run, &call).await } else { Tried::Not },
//                     run, At::<1>, call, errors, &mut slots.s1,
//                 );
//                 match settled {
//                     Break(returned) => break 'settled returned,
//                     Continue(pursuit) => pursuit,
//                 }
//             }.await
//         }
//     }?
//
// The attempt is the first argument: what stands before it would have to be kept while it is awaited.
//
// Where the body handles the refusal, the call comes together with how its error is written down:
//
//     returned(site1, match begin(run, At::<1>, site1, RecordedError::of(HandledCall::of(…))) { … })
pub(in crate::saga) fn expand(
    runtime: &RuntimePath,
    index: usize,
    site: &Site,
    awaited: &ExprAwait,
) -> Expr {
    let (private, rules) = (runtime.private(), runtime.rules());
    let (run, variable) = (run(), variable(index, site));
    let (slots, slot) = (slots_variable(), slot(index));
    let ExprAwait {
        base,
        dot_token,
        await_token,
        ..
    } = awaited;
    let wait = quote!(#dot_token #await_token);
    let of = |function: TokenStream, arguments: TokenStream| {
        let function = at(site.span, function);
        let arguments = group(Delimiter::Parenthesis, site.span, arguments);
        quote!(#function #arguments)
    };
    let number = quote!(#private::At::<#index>);
    let called = match site.refusal {
        Refusal::Ends => {
            let called = of(quote!(#rules::StepCall::of), quote!(#base));
            let called = quote!(#called, #private::End);
            group(Delimiter::Parenthesis, site.span, called).into_token_stream()
        }
        Refusal::IsHandled => {
            let called = of(quote!(#rules::HandledCall::of), quote!(#base));
            of(quote!(#rules::RecordedError::of), called)
        }
    };
    let called = of(
        quote!(#private::begin),
        quote!(#run, #number, #variable, #called),
    );
    let [call, tries, errors, settled, pursuit] =
        ["call", "tries", "errors", "settled", "pursuit"].map(hidden);
    // Both ends have the same type. At the same place, a wrong one is said once.
    let returned = Ident::new("__returned", site.span);
    let last_wait = at(site.span, wait.clone());
    let pursued = quote! {
        let #settled = #private::settle(
            if #tries { #private::first(#run, &#call) #wait } else { #private::Tried::Not },
            #run, #number, #call, #errors, &mut #slots.#slot,
        );
        match #settled {
            ::core::ops::ControlFlow::Break(#returned) => break '__settled #returned,
            ::core::ops::ControlFlow::Continue(#pursuit) => #pursuit,
        }
    };
    let pursued = group(Delimiter::Brace, site.span, pursued);
    let arms = quote! {
        (#call, #tries, #errors) => '__settled: {
            #pursued #last_wait
        }
    };
    // From the step's name to its `.await`: that is what a `?` behind it is said of.
    let keyword = Token![match](site.span);
    let arms = group(Delimiter::Brace, await_token.span, arms);
    let returned = quote!(#keyword #called #arms);
    if site.refusal == Refusal::Ends {
        return Expr::Verbatim(returned);
    }
    // What never fails gives its output itself.
    Expr::Verbatim(of(quote!(#private::returned), quote!(#variable, #returned)))
}

// Expands to, for a call whose result is that of the saga:
//
//     { let returned = match begin(…) { … }; returned }
//
// The call has two ends, and without this a result of another type would be said of each of them.
pub(in crate::saga) fn alone(site: &Site, call: &Expr) -> Expr {
    let returned = Ident::new("__returned", site.span);
    let returned = quote!(let #returned = #call; #returned);
    Expr::Verbatim(group(Delimiter::Brace, site.span, returned).into_token_stream())
}

// Expands to, for `try_join!(charge(cx, &order), reserve(cx, &order))?`:
//
//     match (StepCall::of(charge(cx, &order)), StepCall::of(reserve(cx, &order))) {
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
pub(in crate::saga) fn expand_group(
    runtime: &RuntimePath,
    members: &[(usize, &Site, Expr)],
    results: &Results,
    first: First,
) -> TokenStream {
    let rules = runtime.rules();
    let (run, slots) = (run(), slots_variable());
    let calls = members.iter().map(|(_, site, call)| {
        let rule = at(site.span, quote!(#rules::StepCall::of));
        let value = group(Delimiter::Parenthesis, site.span, quote!(#call));
        quote!(#rule #value)
    });
    let called: Vec<_> = (0..members.len())
        .map(|index| hidden(&format!("call{index}")))
        .collect();
    let [ended, result, output, error] = ["ended", "result", "output", "error"].map(hidden);
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
    let results = results.expand(&results_of);
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

// Expands to, for `try_join_all(8, &articles, |article| reserve(cx, article)).await`:
//
//     match try_join_all(8, &articles, |article| StepCall::of(reserve(cx, article))) {
//         call => run.fan_out(0, site0, call, &mut slots.s0).await,
//     }
pub(in crate::saga) fn expand_fan_out(index: usize, site: &Site, awaited: &ExprAwait) -> Expr {
    let (run, site_variable) = (run(), variable(index, site));
    let (slots, slot, call) = (slots_variable(), slot(index), hidden("call"));
    let ExprAwait {
        base,
        dot_token,
        await_token,
        ..
    } = awaited;
    let keyword = Token![match](site.span);
    let arm = quote!(#call => #run.fan_out(#index, #site_variable, #call, &mut #slots.#slot) #dot_token #await_token,);
    let arm = group(Delimiter::Brace, await_token.span, arm);
    Expr::Verbatim(quote!(#keyword #base #arm))
}

/// What the first refusal in a group does, in the order of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::saga) enum First {
    /// It ends the saga, by a `?` behind the group.
    EndsTheSaga,
    /// It is what the group gives.
    IsTheResult,
}

/// How the results of a group are nested: `try_join!(a, try_join!(b, c))` gives `(a, (b, c))`.
pub(in crate::saga) enum Results {
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
