//! The rules of a saga's body. Takes the calls of steps out of it, and notes the order of events.

mod arguments;
mod branch;
mod call;
mod context;
mod fan_out;
mod group;
mod jump;
mod macros;
mod opaque;
mod refusal;
#[cfg(test)]
mod tests;
mod walk;

use quote::ToTokens;
use syn::{Block, Expr, Pat, Signature, Stmt};

use super::paths;
use crate::errors::Errors;
use crate::saga::model::Body;
use crate::source::Source;
use crate::source_text;
use walk::{Gives, Walk};

/// Checks the body of a saga. Reports each mistake, and replaces it by code that rustc accepts. `None` if the body has
/// no step.
pub(super) fn check(
    signature: &Signature,
    cx: Option<&Pat>,
    block: &Block,
    source: &Source,
    errors: &mut Errors,
) -> Option<Body> {
    let so_far = errors.len();
    let mut block = block.clone();
    let mut walk = Walk::new(cx, source, errors);
    walk.block(&mut block, Gives::Result);
    if !walk.sites.is_empty() {
        walk.ends_with_result(signature, &mut block);
    }
    let Walk {
        placeholders,
        sites,
        flow,
        repeats,
        ..
    } = walk;
    if sites.is_empty() && errors.len() == so_far {
        let name = &signature.ident;
        errors.report(
            name.span(),
            format!("saga `{name}` has no steps"),
            "call a step in it: `charge(cx, &order).await?`",
        );
    }
    if sites.is_empty() {
        return None;
    }
    Some(Body {
        block,
        placeholders,
        sites,
        lines: paths::lines(&flow),
        flow,
        repeats,
        mistake: None,
    })
}

impl Walk<'_> {
    /// Reports a body that surely ends without a result. Rustc reports the others.
    fn ends_with_result(&mut self, signature: &Signature, block: &mut Block) {
        let is_none = match block.stmts.last() {
            Some(Stmt::Local(_)) => true,
            Some(Stmt::Expr(value, Some(_))) => matches!(value, Expr::Try(_) | Expr::Assign(_)),
            _ => false,
        };
        if is_none {
            let replacement = self.replace(
                block.brace_token.span.close(),
                format!("saga `{}` ends without a result", signature.ident),
                "end it with `Ok(…)`; where there is no output, with `Ok(())`",
            );
            block.stmts.push(Stmt::Expr(replacement, None));
        }
    }
}

/// The walk alone, for the tests of the order rule.
#[cfg(test)]
pub(super) fn walk_for_test(
    block: &Block,
    errors: &mut Errors,
) -> (Vec<crate::saga::model::Flow>, Vec<crate::saga::model::Site>) {
    let source = Source::default();
    let mut walk = Walk::new(None, &source, errors);
    walk.block(&mut block.clone(), Gives::Result);
    (walk.flow, walk.sites)
}

/// The words of the source, with the usual spaces.
fn text(node: &impl ToTokens) -> String {
    source_text::text(&node.to_token_stream())
}
