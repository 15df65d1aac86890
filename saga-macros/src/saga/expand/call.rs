//! The call of a step in the body, handed to the run.

use proc_macro2::{Delimiter, Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, ExprAwait, Token};

use super::names::{hidden, run, slot, slots_variable, variable};
use crate::runtime_path::RuntimePath;
use crate::saga::model::{Refusal, Site};
use crate::spans::{at, group};

// Expands to, for `charge(cx, &order).await?`:
//
//     match begin(run, At::<1>, site1, (IsStepCall::of(charge(cx, &order)), End)) {
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
// The attempt is the first argument: a value before it would be kept across the `.await`.
//
// If the body handles the refusal, the call comes with the code that records its error:
//
//     returned(site1, match begin(run, At::<1>, site1, RecordedError::of(HandledCall::of(…))) { … })
pub(super) fn expand(
    runtime: &RuntimePath,
    index: usize,
    site: &Site,
    awaited: &ExprAwait,
) -> Expr {
    let (private, rules) = (runtime.private(), runtime.rules());
    let (run, variable) = (run(), variable(index, site));
    // At the place of the call, where rustc reports one that borrows services that are not `Sync`.
    let (mut slots, mut slot) = (slots_variable(), slot(index));
    slots.set_span(slots.span().located_at(site.span));
    slot.set_span(site.span);
    let (borrow, dot) = (at(site.span, quote!(&mut)), Token![.](site.span));
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
            let called = of(quote!(#rules::IsStepCall::of), quote!(#base));
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
    // Both ends have the same type. At one place, rustc reports a wrong one once.
    let returned = Ident::new("__returned", site.span);
    let last_wait = at(site.span, wait.clone());
    let pursued = quote! {
        let #settled = #private::settle(
            if #tries { #private::first(#run, &#call) #wait } else { #private::Tried::Not },
            #run, #number, #call, #errors, #borrow #slots #dot #slot,
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
    // From the step's name to its `.await`: the place that rustc underlines for a `?` behind it.
    let keyword = Token![match](site.span);
    let arms = group(Delimiter::Brace, await_token.span, arms);
    let returned = quote!(#keyword #called #arms);
    if site.refusal == Refusal::Ends {
        return Expr::Verbatim(returned);
    }
    // An infallible call evaluates to its output, not to a `Result`.
    Expr::Verbatim(of(quote!(#private::returned), quote!(#variable, #returned)))
}

// Expands to, for a call whose result is that of the saga:
//
//     { let returned = match begin(…) { … }; returned }
//
// The call has two ends. Without the variable, rustc reports a wrong type at each of them.
pub(super) fn alone(site: &Site, call: &Expr) -> Expr {
    let returned = Ident::new("__returned", site.span);
    let returned = quote!(let #returned = #call; #returned);
    Expr::Verbatim(group(Delimiter::Brace, site.span, returned).into_token_stream())
}
