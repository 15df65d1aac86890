//! A fan-out: the calls of a step for many items, handed to the run together.

use proc_macro2::Delimiter;
use quote::quote;
use syn::{Expr, ExprAwait, Token};

use super::names::{hidden, run, slot, slots_variable, variable};
use crate::runtime_path::RuntimePath;
use crate::saga::model::Site;
use crate::spans::{at, group};

// Expands to, for `try_join_all(8, &articles, |article| reserve(cx, article)).await`:
//
//     match try_join_all(8, &articles, |article| IsStepCall::of(reserve(cx, article))) {
//         call => run.fan_out(0, site0, call, &mut slots.s0).await,
//     }
pub(super) fn expand(index: usize, site: &Site, awaited: &ExprAwait) -> Expr {
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

// Expands to, for the call in the closure:
//
//     IsStepCall::of(reserve(cx, article))
pub(super) fn for_each(runtime: &RuntimePath, site: &Site, call: &Expr) -> Expr {
    let rules = runtime.rules();
    let of = at(site.span, quote!(#rules::IsStepCall::of));
    let value = group(Delimiter::Parenthesis, site.span, quote!(#call));
    Expr::Verbatim(quote!(#of #value))
}
