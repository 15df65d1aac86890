//! Code of its own inside of a body: closures, `async` blocks, spawned tasks. No step runs there.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, Item, Stmt};

use super::group::is_try_join;
use super::walk::Walk;
use crate::spans::first_token;

impl Walk<'_> {
    /// Replaces every `.await` and every group that `each` visits, and reports the first one.
    pub(super) fn without_steps(
        &mut self,
        what: &str,
        help: &str,
        mut each: impl FnMut(&mut dyn VisitMut),
    ) {
        let mut awaits = Awaits::default();
        each(&mut awaits);
        let Some(span) = awaits.first else { return };
        awaits.replacement = Some(self.replace(span, what, help));
        each(&mut awaits);
    }

    /// Reports steps in code of its own. Returns whether `node` is such code: the walk then skips it.
    pub(super) fn opaque(&mut self, node: &mut Expr) -> bool {
        match node {
            Expr::Closure(closure) => {
                let what = "a step can't be awaited inside of a closure";
                let help = "call the step outside of the closure, and hand its output in";
                self.without_steps(what, help, |awaits| {
                    awaits.visit_expr_mut(&mut closure.body);
                });
                self.code_of_its_own(node);
            }
            Expr::Async(block) => {
                let what = "a saga has no `async` blocks";
                let help = "write the code without the `async` block: a saga does one thing after the other";
                *node = self.replace(block.async_token.span, what, help);
            }
            Expr::Call(call) => {
                let Some(span) = spawned(call) else {
                    return false;
                };
                let what = "a saga can't spawn: nobody would undo what runs beside it";
                let help =
                    "call it as a step and await it, so that it is recorded and can be undone";
                *node = self.replace(span, what, help);
            }
            _ => return false,
        }
        true
    }
}

/// The place of a call that spawns a task.
fn spawned(call: &ExprCall) -> Option<Span> {
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let last = path.path.segments.last()?;
    ["spawn", "spawn_blocking", "spawn_local"]
        .iter()
        .any(|name| last.ident == name)
        .then(|| last.ident.span())
}

/// Finds each `.await` and each `try_join!`, and replaces it.
#[derive(Default)]
struct Awaits {
    first: Option<Span>,
    replacement: Option<Expr>,
}

impl Awaits {
    /// Notes the place of what runs steps; returns the code for its place.
    fn found(&mut self, span: Span) -> Option<Expr> {
        self.first.get_or_insert(span);
        self.replacement.clone()
    }
}

impl VisitMut for Awaits {
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        let span = match node {
            Expr::Await(awaited) => Some(first_token(&awaited.base)),
            Expr::Macro(called) if is_try_join(&called.mac) => Some(first_token(&called.mac.path)),
            _ => None,
        };
        match span.and_then(|span| self.found(span)) {
            Some(replacement) => *node = replacement,
            None => visit_mut::visit_expr_mut(self, node),
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        if let Stmt::Macro(called) = statement
            && is_try_join(&called.mac)
            && let Some(replacement) = self.found(first_token(&called.mac.path))
        {
            *statement = Stmt::Expr(replacement, called.semi_token);
            return;
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}
