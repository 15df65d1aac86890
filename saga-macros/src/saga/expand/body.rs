//! The body of a saga, with code in the places of its placeholders.

use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprCall, Item};

use super::names::mistake;
use super::scope::Aliases;
use super::{call, fan_out, group};
use crate::saga::model::{Body, Placeholder};
use crate::spans::{at, code, first_token};

/// The block of the body, with code for every placeholder in it.
pub(super) fn expand(body: &Body) -> Block {
    let mut block = body.block.clone();
    Expand { body }.visit_block_mut(&mut block);
    block
}

struct Expand<'a> {
    body: &'a Body,
}

impl VisitMut for Expand<'_> {
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        match Placeholder::number(node) {
            Some(number) => *node = self.code(&self.body.placeholders[number]),
            None => visit_mut::visit_expr_mut(self, node),
        }
    }

    /// An item in the body is a function of its own.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

impl Expand<'_> {
    fn code(&mut self, placeholder: &Placeholder) -> Expr {
        let sites = &self.body.sites;
        match placeholder {
            Placeholder::Step { site, awaited } => {
                let mut awaited = awaited.clone();
                self.visit_expr_await_mut(&mut awaited);
                call::expand(*site, sites.len(), &sites[*site], &awaited)
            }
            Placeholder::Result { site, step } => call::alone(&sites[*site], &self.expanded(step)),
            Placeholder::Group {
                members,
                results,
                first,
            } => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(site, call)| (*site, &sites[*site], self.expanded(call)))
                    .collect();
                Expr::Verbatim(group::expand(&members, sites.len(), results, *first))
            }
            Placeholder::FanOut { site, awaited } => {
                let mut awaited = awaited.clone();
                self.visit_expr_await_mut(&mut awaited);
                fan_out::expand(*site, sites.len(), &sites[*site], &awaited)
            }
            Placeholder::ForEach { site, call } => {
                fan_out::for_each(&sites[*site], &self.expanded(call))
            }
            Placeholder::NotAwaited(call) => {
                let mut call = call.clone();
                self.visit_expr_call_mut(&mut call);
                not_awaited(&call)
            }
            Placeholder::NotCalled(function) => {
                let mistake = mistake();
                // In the context of the macro: there rustc accepts an import that nothing uses.
                Expr::Verbatim(quote!({ use #function as _; #mistake }))
            }
            Placeholder::Mistake => {
                let mistake = mistake();
                Expr::Verbatim(code!(#mistake))
            }
        }
    }

    fn expanded(&mut self, node: &Expr) -> Expr {
        let mut node = node.clone();
        self.visit_expr_mut(&mut node);
        node
    }
}

// Expands to, for `charge(cx, &order)?`:
//
//     IsOutcome::of(charge(cx, &order))
//
// The `?` stays in the body.
fn not_awaited(call: &ExprCall) -> Expr {
    let rules = Aliases::new().rules;
    let outcome = at(first_token(call), code!(#rules::IsOutcome::of));
    Expr::Verbatim(code!(#outcome(#call)))
}
