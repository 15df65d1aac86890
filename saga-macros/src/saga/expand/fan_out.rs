//! A fan-out: the calls of a step for many items, handed to the run together.

use proc_macro2::Delimiter;
use syn::{Expr, ExprAwait, Token};

use super::names::{hidden, number, run, slot, variable};
use super::scope::Aliases;
use crate::saga::model::Site;
use crate::spans::{at, code, group};

// Expands to, for `try_join_all(8, &articles, |article| reserve(cx, article)).await`:
//
//     match try_join_all(8, &articles, |article| IsMember::of(reserve(cx, article))) {
//         call => run.fan_out(0, site0, call, &mut slots.0.0).await,
//     }
pub(super) fn expand(index: usize, count: usize, site: &Site, awaited: &ExprAwait) -> Expr {
    let (run, site_variable) = (run(), variable(index, site));
    let (number, slot) = (number(index), slot(index, count, site));
    let call = hidden("call");
    let ExprAwait {
        base,
        dot_token,
        await_token,
        ..
    } = awaited;
    let keyword = Token![match](site.span);
    let arm = code!(#call => #run.fan_out(#number, #site_variable, #call, &mut #slot) #dot_token #await_token,);
    let arm = group(Delimiter::Brace, await_token.span, arm);
    Expr::Verbatim(code!(#keyword #base #arm))
}

// Expands to, for the call in the closure:
//
//     IsMember::of(reserve(cx, article))
pub(super) fn for_each(site: &Site, call: &Expr) -> Expr {
    let rules = Aliases::new().rules;
    let of = at(site.span, code!(#rules::IsMember::of));
    let value = group(Delimiter::Parenthesis, site.span, code!(#call));
    Expr::Verbatim(code!(#of #value))
}
