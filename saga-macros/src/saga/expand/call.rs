//! The call of a step in the body, handed to the run.

use proc_macro2::{Delimiter, Ident, TokenStream};
use quote::ToTokens;
use syn::{Expr, ExprAwait, Token};

use super::names::{hidden, number, run, slot, variable};
use super::scope::Aliases;
use crate::saga::model::{Refusal, Site};
use crate::spans::{at, code, group};

// Expands to, for `charge(cx, &order).await?`:
//
//     match begin(run, At::<1>, site1, (IsStepCall::of(charge(cx, &order)), End)) {
//         (call, tries) => 'settled: {
//             {
//                 let settled = settle(
//                     if tries { first(run, &call).await } else { Tried::Not },
//                     run, call, &mut slots.0.1,
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
pub(super) fn expand(index: usize, count: usize, site: &Site, awaited: &ExprAwait) -> Expr {
    let Aliases { private, rules } = Aliases::new();
    let (run, variable) = (run(), variable(index, site));
    // At the place of the call, where rustc reports one that borrows services that are not `Sync`.
    let slot = slot(index, count, site);
    let borrow = at(site.span, code!(&mut));
    let ExprAwait {
        base,
        dot_token,
        await_token,
        ..
    } = awaited;
    let wait = code!(#dot_token #await_token);
    let of = |function: TokenStream, arguments: TokenStream| {
        let function = at(site.span, function);
        let arguments = group(Delimiter::Parenthesis, site.span, arguments);
        code!(#function #arguments)
    };
    let called = match site.refusal {
        Refusal::Ends => {
            let called = of(code!(#rules::IsStepCall::of), code!(#base));
            let called = code!(#called, #private::End);
            group(Delimiter::Parenthesis, site.span, called).into_token_stream()
        }
        Refusal::IsHandled => {
            let called = of(code!(#rules::HandledCall::of), code!(#base));
            of(code!(#rules::RecordedError::of), called)
        }
    };
    let number = number(index);
    let called = of(
        code!(#private::begin),
        code!(#run, #private::At::<#number>, #variable, #called),
    );
    let [call, tries, settled, pursuit] = ["call", "tries", "settled", "pursuit"].map(hidden);
    // Both ends have the same type. At one place, rustc reports a wrong one once.
    let returned = Ident::new("__returned", site.span);
    let last_wait = at(site.span, wait.clone());
    let pursued = code! {
        let #settled = #private::settle(
            if #tries { #private::first(#run, &#call) #wait } else { #private::Tried::Not },
            #run, #call, #borrow #slot,
        );
        match #settled {
            #private::Break(#returned) => break '__settled #returned,
            #private::Continue(#pursuit) => #pursuit,
        }
    };
    let pursued = group(Delimiter::Brace, site.span, pursued);
    let arms = code! {
        (#call, #tries) => '__settled: {
            #pursued #last_wait
        }
    };
    // From the step's name to its `.await`: the place that rustc underlines for a `?` behind it.
    let keyword = Token![match](site.span);
    let arms = group(Delimiter::Brace, await_token.span, arms);
    let returned = code!(#keyword #called #arms);
    if site.refusal == Refusal::Ends {
        return Expr::Verbatim(returned);
    }
    // An infallible call evaluates to its output, not to a `Result`.
    Expr::Verbatim(of(code!(#private::returned), code!(#variable, #returned)))
}

// Expands to, for a call whose result is that of the saga:
//
//     { let returned = match begin(…) { … }; returned }
//
// The call has two ends. Without the variable, rustc reports a wrong type at each of them.
pub(super) fn alone(site: &Site, call: &Expr) -> Expr {
    let returned = Ident::new("__returned", site.span);
    let returned = code!(let #returned = #call; #returned);
    Expr::Verbatim(group(Delimiter::Brace, site.span, returned).into_token_stream())
}
