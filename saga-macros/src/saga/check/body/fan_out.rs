//! Fan-outs: a step for each of many items, `try_join_all(limit, items, |item| …)`.

use proc_macro2::Span;
use syn::visit_mut::VisitMut;
use syn::{Expr, ExprAwait, ExprCall, ExprClosure, Stmt};

use super::call::{callee, name};
use super::group::awaited as awaited_by_itself;
use super::text;
use super::walk::{Refused, Walk};
use crate::saga::model::{FanOut, Flow, Placeholder, Refusal, Site};
use crate::spans::first_token;

/// The edit that mends a wrong fan-out.
const EXAMPLE: &str = "write `try_join_all(8, &articles, |article| reserve(cx, article)).await?`, where 8 of them run at the same time";

impl Walk<'_> {
    /// `try_join_all(…).await`
    pub(super) fn fan_out(&mut self, node: &mut ExprAwait, refusal: Refusal) -> Option<Expr> {
        let call = callee(&mut node.base).ok()?;
        if !is_try_join_all(&call.func) || self.takes_context(call) {
            return None;
        }
        let span = name(&call.func);
        let Ok(site) = self.whole_fan_out(call, span, refusal) else {
            let function = (*call.func).clone();
            self.errors.replaced();
            return Some(self.placeholder(span, Placeholder::NotCalled(function)));
        };
        let awaited = node.clone();
        Some(self.placeholder(span, Placeholder::FanOut { site, awaited }))
    }

    fn whole_fan_out(
        &mut self,
        call: &mut ExprCall,
        span: Span,
        refusal: Refusal,
    ) -> Result<usize, Refused> {
        if refusal == Refusal::IsHandled {
            let what = "what `try_join_all` gives is not looked at here";
            let help = "put a `?` behind its `.await`: if one of the steps refuses, the saga ends when the calls that have begun have ended; to handle that, put it into a saga with `#[saga(compensatable)]`, and `match` on the call of that saga";
            return Err(self.refuse(span, what, help));
        }
        let mut arguments = call.args.iter_mut();
        let (Some(limit), Some(items), Some(Expr::Closure(each)), None) = (
            arguments.next(),
            arguments.next(),
            arguments.next(),
            arguments.next(),
        ) else {
            let what = "`try_join_all` takes a limit, the items, and a closure that calls a step";
            return Err(self.refuse(span, what, EXAMPLE));
        };
        let (items_text, limit_text) = (text(items), text(limit));
        self.visit_expr_mut(limit);
        self.visit_expr_mut(items);
        let site = self.each(each)?;
        self.repeats = true;
        self.flow.push(Flow::FanOut(FanOut {
            site,
            items: items_text,
            limit: limit_text,
        }));
        Ok(site)
    }

    /// Checks the closure, which calls a step for one item. Returns the site of the call.
    fn each(&mut self, closure: &mut ExprClosure) -> Result<usize, Refused> {
        if let Some(token) = &closure.asyncness {
            let what = "the closure of `try_join_all` is `async`";
            let help = "leave `async` out: it gives the call of a step, which the saga awaits";
            return Err(self.refuse(first_token(token), what, help));
        }
        with_last(&mut closure.body, |last| self.ends_with_call(last))?;
        let what = "a step can't be awaited inside of a closure";
        let help = "await it before, and use its output in the closure";
        self.without_steps(what, help, |awaits| {
            awaits.visit_expr_mut(&mut closure.body);
        });
        self.scope(|walk| {
            for input in &closure.inputs {
                walk.shadow(input);
            }
            with_last(&mut closure.body, |last| {
                if let Ok(call) = callee(last) {
                    walk.hand_context(call);
                }
            });
            walk.code_of_its_own(&mut closure.body);
        });
        Ok(with_last(&mut closure.body, |last| {
            self.call_for_each(last)
        }))
    }

    fn ends_with_call(&mut self, last: &mut Expr) -> Result<(), Refused> {
        if let Some(span) = awaited_by_itself(last) {
            let what = "the call in a `try_join_all` is awaited by itself";
            let help = "leave its `.await` out: the `.await?` stands behind the `try_join_all`";
            return Err(self.refuse(span, what, help));
        }
        if callee(last).is_err() {
            let what = "the closure of `try_join_all` ends with the call of a step";
            return Err(self.refuse(first_token(last), what, EXAMPLE));
        }
        Ok(())
    }

    /// Takes the call of the step out of the closure; returns its site.
    fn call_for_each(&mut self, last: &mut Expr) -> usize {
        let (path, span) = match callee(last) {
            Ok(call) => (text(&call.func), name(&call.func)),
            Err(_) => (String::new(), first_token(last)),
        };
        let site = self.sites.len();
        self.sites.push(Site {
            path,
            span,
            refusal: Refusal::Ends,
            wait: None,
            events: Vec::new(),
        });
        let call = last.clone();
        *last = self.placeholder(span, Placeholder::ForEach { site, call });
        site
    }
}

fn is_try_join_all(function: &Expr) -> bool {
    matches!(function, Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "try_join_all"))
}

/// Calls `each` with the last expression in the body of a closure.
fn with_last<T>(body: &mut Expr, each: impl FnOnce(&mut Expr) -> T) -> T {
    match body {
        Expr::Block(block) => {
            if let Some(Stmt::Expr(value, None)) = block.block.stmts.last_mut() {
                return with_last(value, each);
            }
        }
        Expr::Paren(paren) => return with_last(&mut paren.expr, each),
        Expr::Group(group) => return with_last(&mut group.expr, each),
        _ => {}
    }
    each(body)
}
