//! The walk through a body, in the order of evaluation.

use std::fmt::Display;
use std::mem;

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Block, Expr, FieldValue, Ident, Item, Local, Macro, Pat, Stmt};

use super::branch::begin_of_tail;
use super::group::is_try_join;
use super::jump::Target;
use super::refusal::is_awaited;
use super::text;
use crate::errors::Errors;
use crate::saga::model::{First, Flow, Place, Placeholder, Refusal, Site, Way};
use crate::source::Source;
use crate::spans::first_token;

/// Takes the calls out of a body, and collects them and their order.
pub(super) struct Walk<'e> {
    pub(super) errors: &'e mut Errors,
    /// The file around the saga.
    pub(super) source: &'e Source,
    /// The name of the context in the body.
    pub(super) cx: Option<&'e Ident>,
    pub(super) placeholders: Vec<Placeholder>,
    pub(super) sites: Vec<Site>,
    pub(super) flow: Vec<Flow>,
    /// The blocks and loops around the current place.
    pub(super) targets: Vec<Target>,
    pub(super) ids: usize,
    /// Set if a step can be called more than once.
    pub(super) repeats: bool,
    /// Set if a call without an `.await` was reported: a variable with it may be awaited later.
    pub(super) has_unawaited: bool,
}

/// The mark of a mistake that is reported, but not replaced yet.
pub(super) struct Refused;

/// The use of the value of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// It is the result of the saga.
    Result,
    /// The body uses it.
    Value,
}

impl Gives {
    /// The effect of the first refusal in a group that is such an expression.
    pub(super) fn first(self) -> First {
        match self {
            Self::Result => First::IsTheResult,
            Self::Value => First::IsHandled,
        }
    }
}

impl<'e> Walk<'e> {
    pub(super) fn new(cx: Option<&'e Pat>, source: &'e Source, errors: &'e mut Errors) -> Self {
        let cx = match cx {
            Some(Pat::Ident(cx)) => Some(&cx.ident),
            _ => None,
        };
        Self {
            errors,
            source,
            cx,
            placeholders: Vec::new(),
            sites: Vec::new(),
            flow: Vec::new(),
            targets: Vec::new(),
            ids: 0,
            repeats: false,
            has_unawaited: false,
        }
    }

    /// Takes `source` out of the body; returns the placeholder for it.
    pub(super) fn placeholder(&mut self, span: Span, source: Placeholder) -> Expr {
        self.placeholders.push(source);
        Placeholder::expr(self.placeholders.len() - 1, span)
    }

    /// Reports a mistake; returns the placeholder for it.
    pub(super) fn replace(&mut self, span: Span, what: impl Display, help: impl Display) -> Expr {
        self.errors.report(span, what, help);
        self.replaced()
    }

    /// Reports a mistake in a part of an expression. The caller replaces all of it.
    pub(super) fn refuse(&mut self, span: Span, what: impl Display, help: impl Display) -> Refused {
        self.errors.report(span, what, help);
        Refused
    }

    /// The placeholder for the mistake that was reported last.
    pub(super) fn replaced(&mut self) -> Expr {
        self.errors.replaced();
        self.placeholder(Span::call_site(), Placeholder::Mistake)
    }

    /// Calls `walk`, and returns its flow apart from the rest.
    pub(super) fn apart(&mut self, walk: impl FnOnce(&mut Self)) -> Vec<Flow> {
        let before = mem::take(&mut self.flow);
        walk(self);
        mem::replace(&mut self.flow, before)
    }

    pub(super) fn block(&mut self, block: &mut Block, gives: Gives) {
        self.scope(|walk| walk.statements(block, gives));
    }

    /// Walks through code whose bindings end with it.
    pub(super) fn scope<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.cx;
        let walked = walk(self);
        self.cx = outside;
        walked
    }

    fn statements(&mut self, block: &mut Block, gives: Gives) {
        let tail = begin_of_tail(&block.stmts);
        for (index, statement) in block.stmts.iter_mut().enumerate() {
            let gives = (index >= tail).then_some(gives);
            self.conditional(statement, gives);
        }
    }

    pub(super) fn expr(&mut self, node: &mut Expr, gives: Gives) {
        self.not_under_cfg(node);
        if self.opaque(node) || self.misuse(node) {
            return;
        }
        match node {
            Expr::If(branch) => self.if_else(branch, gives),
            Expr::Match(branch) => self.matching(branch, gives),
            Expr::Block(block) => self.labeled(block.label.as_ref(), &mut block.block, gives),
            Expr::Unsafe(block) => self.block(&mut block.block, gives),
            Expr::Loop(_) | Expr::While(_) | Expr::ForLoop(_) => self.looping(node, gives),
            Expr::Paren(paren) => self.expr(&mut paren.expr, gives),
            Expr::Group(group) => self.expr(&mut group.expr, gives),
            Expr::Macro(invocation) if is_try_join(&invocation.mac) => {
                *node = self.group_that(&invocation.mac, gives.first());
            }
            Expr::Macro(invocation) => {
                if let Some(replacement) = self.invocation(&invocation.mac, gives) {
                    *node = replacement;
                }
            }
            Expr::Return(returned) => {
                if let Some(value) = &mut returned.expr {
                    self.expr(value, Gives::Result);
                }
                self.flow.push(Flow::Return);
            }
            Expr::Break(jump) => self.leave(jump),
            Expr::Continue(jump) => self.go_on(jump.label.as_ref()),
            _ if gives == Gives::Result => self.result(node),
            Expr::Await(awaited) => *node = self.step(awaited, Refusal::IsHandled),
            Expr::Try(_) => self.attempt(node),
            Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
                let when = text(&binary.left);
                self.visit_expr_mut(&mut binary.left);
                let flow = self.apart(|walk| walk.visit_expr_mut(&mut binary.right));
                self.branch(vec![Way {
                    when,
                    flow,
                    ..Way::default()
                }]);
            }
            Expr::Binary(binary) if is_assignment(&binary.op) => {
                self.assignment(&mut binary.left, &mut binary.right);
            }
            Expr::Assign(assign) => self.assignment(&mut assign.left, &mut assign.right),
            Expr::Let(binding) => {
                visit_mut::visit_expr_let_mut(self, binding);
                self.shadow(&binding.pat);
            }
            Expr::Verbatim(tokens) => self.tokens(tokens.clone()),
            // What the context gives is recorded.
            Expr::MethodCall(call) if self.is_context(&call.receiver) => {
                call.args
                    .iter_mut()
                    .for_each(|argument| self.visit_expr_mut(argument));
            }
            _ => visit_mut::visit_expr_mut(self, node),
        }
    }

    /// The result of the saga, in an expression with no further result inside, as a branch has.
    fn result(&mut self, node: &mut Expr) {
        let is_call = is_awaited(node);
        if self.ends(node) {
            if let Some(site) = self.last_site().filter(|_| is_call) {
                let step = node.clone();
                *node = self.placeholder(self.sites[site].span, Placeholder::Result { site, step });
            }
            return;
        }
        match node {
            Expr::Try(attempt) if is_awaited(&attempt.expr) => {
                let span = attempt.question_token.span;
                let what = "the saga ends with the output of a step, where its result is expected";
                let help = "leave this `?` out, or put the output into `Ok(…)`";
                self.errors.report(span, what, help);
                *node = self.not_called(&mut attempt.expr);
            }
            Expr::Call(call) if is_ok(&call.func) => visit_mut::visit_expr_call_mut(self, call),
            _ => {
                let place = Place(first_token(node));
                self.expr(node, Gives::Value);
                self.flow.push(Flow::MayFail(place));
            }
        }
    }

    /// Walks through an assignment. The right side comes first.
    fn assignment(&mut self, left: &mut Expr, right: &mut Expr) {
        self.visit_expr_mut(right);
        let what = "a step can't be awaited on the left of an assignment";
        let help = "await it before, and use its output here";
        self.without_steps(what, help, |awaits| awaits.visit_expr_mut(left));
        self.visit_expr_mut(left);
    }
}

impl VisitMut for Walk<'_> {
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        self.expr(node, Gives::Value);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.block(block, Gives::Value);
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        self.conditional(statement, None);
    }

    fn visit_field_value_mut(&mut self, field: &mut FieldValue) {
        self.field_not_under_cfg(field);
        visit_mut::visit_field_value_mut(self, field);
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        self.let_else(local);
    }

    /// A macro that is neither an expression nor a statement.
    fn visit_macro_mut(&mut self, invocation: &mut Macro) {
        self.invocation(invocation, Gives::Value);
    }

    /// An item in the body is a function of its own, but a macro that the body defines sees the names around it.
    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Macro(definition) = item {
            self.definition(&mut definition.mac);
        }
    }
}

/// Returns whether this is the `Ok` of `Ok(…)`, which never fails.
fn is_ok(function: &Expr) -> bool {
    matches!(function, Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Ok"))
}

fn is_assignment(op: &BinOp) -> bool {
    matches!(
        op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}
