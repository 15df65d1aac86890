//! The call of a step in the body, handed to the run.

use proc_macro2::{Delimiter, Ident, TokenStream};
use quote::ToTokens;
use syn::{Expr, ExprAwait, Token};

use super::names::{hidden, number, run, slot, variable};
use super::scope::Aliases;
use crate::saga::model::{Refusal, Site};
use crate::spans::{at, code, group, here};

// Expands to, for `charge(cx, &order).await?`:
//
//     match run.begin(At::<1>, site1, IsStepCall::of(charge(cx, &order))) {
//         call => 'settled: {
//             let pursuit = match run.settle(run.first(&call).await, call, &mut slots.0.1) {
//                 Break(returned) => break 'settled returned,
//                 Continue(pursuit) => pursuit,
//             };
//             pursuit.await
//         }
//     }?
//
// The attempt is the first argument: a value before it would be kept across the `.await`.
//
// If the body handles the refusal, the call comes with the code that records its error:
//
//     returned(site1, match run.begin_handled(At::<1>, site1, RecordedError::of(HandledCall::of(…))) { … })
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
    let (begin, called) = match site.refusal {
        Refusal::Ends => (
            code!(begin),
            of(code!(#rules::IsStepCall::of), code!(#base)),
        ),
        Refusal::IsHandled => {
            let called = of(code!(#rules::HandledCall::of), code!(#base));
            let called = of(code!(#rules::RecordedError::of), called);
            (code!(begin_handled), called)
        }
    };
    let number = number(index);
    // The variables keep the context of generated code: a macro of the user's may have made the call.
    let placed = here().located_at(site.span);
    let begin = of(
        code!(.#begin),
        code!(#private::At::<#number>, #variable, #called),
    );
    let run_here = at(placed, code!(#run));
    let [call, pursuit] = ["call", "pursuit"].map(hidden);
    // Both ends have the same type. At one place, rustc reports a wrong one once.
    let returned = Ident::new("__returned", site.span);
    let last_wait = at(site.span, wait.clone());
    let pursued = at(placed, pursuit.to_token_stream());
    let arm = code! {
        #call => '__settled: {
            let #pursuit = match #run.settle(#run.first(&#call) #wait, #call, #borrow #slot) {
                #private::Break(#returned) => break '__settled #returned,
                #private::Continue(#pursuit) => #pursuit,
            };
            #pursued #last_wait
        }
    };
    // From the step's name to its `.await`: the place that rustc underlines for a `?` behind it.
    let keyword = Token![match](site.span);
    let arm = group(Delimiter::Brace, await_token.span, arm);
    let returned = code!(#keyword #run_here #begin #arm);
    if site.refusal == Refusal::Ends {
        return Expr::Verbatim(returned);
    }
    // An infallible call evaluates to its output, not to a `Result`.
    Expr::Verbatim(of(code!(#private::returned), code!(#variable, #returned)))
}

// Expands to, for a call whose result is that of the saga:
//
//     { let returned = match run.begin(…) { … }; returned }
//
// The call has two ends. Without the variable, rustc reports a wrong type at each of them.
pub(super) fn alone(site: &Site, call: &Expr) -> Expr {
    let returned = Ident::new("__returned", site.span);
    let returned = code!(let #returned = #call; #returned);
    Expr::Verbatim(group(Delimiter::Brace, site.span, returned).into_token_stream())
}
