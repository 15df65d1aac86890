//! Calls of steps: the body awaits them, and the walk takes them out.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprAwait, ExprCall, Path};

use super::group::try_join;
use super::text;
use super::walk::Walk;
use crate::saga::model::{First, Flow, Place, Placeholder, Refusal, Site};
use crate::spans::first_token;

/// The functions that wait.
const WAITS: [&str; 5] = [
    "sleep",
    "event",
    "event_within",
    "first_of",
    "first_of_within",
];

impl Walk<'_> {
    pub(super) fn step(&mut self, awaited: &mut ExprAwait, refusal: Refusal) -> Expr {
        if let Some(fan_out) = self.fan_out(awaited, refusal) {
            return fan_out;
        }
        if self.has_unawaited && matches!(*awaited.base, Expr::Path(_)) {
            return self.replaced();
        }
        let call = match callee(&mut awaited.base) {
            Ok(call) => call,
            Err((what, help)) => {
                let span = first_token(&awaited.base);
                return self.replace(span, what, help);
            }
        };
        let (path, span, wait) = (text(&call.func), name(&call.func), wait(call));
        let events = wait.as_ref().and_then(|_| events(call)).unwrap_or_default();
        self.hand_context(call);
        visit_mut::visit_expr_call_mut(self, call);
        let site = self.sites.len();
        self.sites.push(Site {
            path,
            span,
            refusal,
            wait,
            events,
        });
        self.flow.push(Flow::Step(site));
        let awaited = awaited.clone();
        self.placeholder(span, Placeholder::Step { site, awaited })
    }

    /// The placeholder for the awaited call of a step with a mistake, which was reported last.
    pub(super) fn not_called(&mut self, awaited: &mut Expr) -> Expr {
        let Expr::Await(awaited) = awaited else {
            return self.replaced();
        };
        let Ok(call) = callee(&mut awaited.base) else {
            return self.replaced();
        };
        if !matches!(&*call.func, Expr::Path(path) if path.path.segments.iter().all(|one| one.arguments.is_none()))
        {
            return self.replaced();
        }
        let (function, span) = ((*call.func).clone(), name(&call.func));
        self.errors.replaced();
        self.placeholder(span, Placeholder::NotCalled(function))
    }

    /// Takes a call out whose refusal ends the saga. Returns whether `node` is one, perhaps with a translated output or
    /// error.
    pub(super) fn ends(&mut self, node: &mut Expr) -> bool {
        if !is_outcome(node) {
            return false;
        }
        match node {
            Expr::Await(awaited) => *node = self.step(awaited, Refusal::Ends),
            Expr::Macro(invocation) => *node = self.group_that(&invocation.mac, First::IsTheResult),
            Expr::Paren(paren) => return self.ends(&mut paren.expr),
            Expr::Group(group) => return self.ends(&mut group.expr),
            Expr::MethodCall(call) => {
                self.ends(&mut call.receiver);
                for argument in &mut call.args {
                    self.visit_expr_mut(argument);
                }
            }
            _ => {}
        }
        true
    }

    /// `…?`
    pub(super) fn attempt(&mut self, node: &mut Expr) {
        let Expr::Try(attempt) = node else { return };
        if let Some(group) = self.group(attempt) {
            *node = group;
            return;
        }
        if self.ends(&mut attempt.expr) {
            return;
        }
        self.visit_expr_mut(&mut attempt.expr);
        self.flow
            .push(Flow::MayFail(Place(attempt.question_token.span)));
    }
}

/// Returns whether this is `….await` or `try_join!(…)`, perhaps with `map` and `map_err` behind it: a refusal stays a
/// refusal.
fn is_outcome(node: &Expr) -> bool {
    match node {
        Expr::Await(_) => true,
        Expr::Macro(_) => try_join(node).is_some(),
        Expr::Paren(paren) => is_outcome(&paren.expr),
        Expr::Group(group) => is_outcome(&group.expr),
        Expr::MethodCall(call) => {
            (call.method == "map" || call.method == "map_err") && is_outcome(&call.receiver)
        }
        _ => false,
    }
}

/// A call in the words of the source, if its function has the name of one that waits.
fn wait(call: &ExprCall) -> Option<String> {
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let name = &path.path.segments.last()?.ident;
    let arguments: Vec<_> = call.args.iter().skip(1).map(text).collect();
    is_wait(&call.func).then(|| format!("{name}({})", arguments.join(", ")))
}

/// The constants in the second argument of a wait: `APPROVED`, or `(PAID, DECLINED)`. `None` for any other expression.
fn events(call: &ExprCall) -> Option<Vec<Path>> {
    match call.args.get(1)? {
        Expr::Tuple(events) => events.elems.iter().map(constant).collect(),
        event => constant(event).map(|path| vec![path]),
    }
}

/// The path of a constant, which its name tells.
fn constant(event: &Expr) -> Option<Path> {
    let Expr::Path(event) = event else {
        return None;
    };
    let name = event.path.segments.last()?.ident.to_string();
    (event.qself.is_none() && name == name.to_uppercase()).then(|| event.path.clone())
}

/// Returns whether a function has the name of one that waits.
pub(super) fn is_wait(function: &Expr) -> bool {
    let Expr::Path(path) = function else {
        return false;
    };
    let name = path.path.segments.last();
    name.is_some_and(|last| WAITS.iter().any(|one| last.ident == one))
}

/// The place of the name of the function, without the path before it.
pub(super) fn name(function: &Expr) -> Span {
    match function {
        Expr::Path(path) => path.path.segments.last().map(|last| last.ident.span()),
        _ => None,
    }
    .unwrap_or_else(|| first_token(function))
}

/// The awaited call of a function. For any other expression: the mistake, and the edit that mends it.
pub(super) fn callee(awaited: &mut Expr) -> Result<&mut ExprCall, (&'static str, &'static str)> {
    match awaited {
        Expr::Call(call) if matches!(*call.func, Expr::Path(_)) => Ok(call),
        Expr::Paren(paren) => callee(&mut paren.expr),
        Expr::Group(group) => callee(&mut group.expr),
        Expr::MethodCall(_) => Err((
            "only steps can be awaited in a saga, and this is a method",
            "put the call into a function with `#[step(…)]`, so that the saga knows how it is undone",
        )),
        Expr::Path(_) => Err((
            "only calls of steps can be awaited in a saga",
            "await the call where it is made: `charge(cx, &order).await?`",
        )),
        _ => Err((
            "only steps can be awaited in a saga",
            "call a step by its name: `charge(cx, &order).await?`",
        )),
    }
}
