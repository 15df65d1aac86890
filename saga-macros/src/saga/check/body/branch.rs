//! Branches: each way starts from the same point, and they meet again.

use proc_macro2::{Delimiter, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ExprIf, ExprMatch, FieldValue, Local, Pat, PatOr, Stmt};

use super::group::is_try_join;
use super::refusal::{
    is_awaited, is_every_success, is_only_success, is_refusal, is_success, over_outcome,
};
use super::text;
use super::walk::{Gives, Walk};
use crate::saga::model::{Flow, Way};

const NOT_UNDER_CFG: [&str; 2] = [
    "a step of a saga can't stand under `#[cfg(…)]`",
    "put the `cfg` on the whole saga, or into the step",
];

impl Walk<'_> {
    /// Notes a branch, unless all its ways are empty. A single way gets a second, empty one.
    pub(super) fn branch(&mut self, mut ways: Vec<Way>) {
        if ways.len() == 1 {
            ways.push(Way {
                when: "else".to_owned(),
                ..Way::default()
            });
        }
        if ways
            .iter()
            .any(|way| !(way.guard.is_empty() && way.flow.is_empty()))
        {
            self.flow.push(Flow::Branch(ways));
        }
    }

    pub(super) fn if_else(&mut self, branch: &mut ExprIf, gives: Gives) {
        let when = text(&branch.cond);
        let outcome = over_outcome(&branch.cond);
        let [refused_then, refused_else] =
            [is_refusal, is_every_success].map(|test| outcome.is_some_and(test));
        let (step, flow) = self.scope(|walk| {
            walk.visit_expr_mut(&mut branch.cond);
            let step = walk.last_site();
            let flow = walk.apart(|walk| walk.block(&mut branch.then_branch, gives));
            (step, flow)
        });
        let mut ways = vec![Way {
            when,
            flow,
            refused: step.filter(|_| refused_then),
            ..Way::default()
        }];
        let otherwise = branch.else_branch.as_mut();
        ways.push(Way {
            when: "else".to_owned(),
            flow: otherwise.map_or_else(Vec::new, |(_, value)| {
                self.apart(|walk| walk.expr(value, gives))
            }),
            refused: step.filter(|_| refused_else),
            ..Way::default()
        });
        self.branch(ways);
    }

    pub(super) fn matching(&mut self, branch: &mut ExprMatch, gives: Gives) {
        let of = text(&branch.expr);
        let is_outcome = is_awaited(&branch.expr);
        self.visit_expr_mut(&mut branch.expr);
        let step = self.last_site().filter(|_| is_outcome);
        let mut successes_are_behind = false;
        let mut ways = Vec::new();
        for arm in &mut branch.arms {
            let when = format!("{of} is {}", text(&arm.pat));
            let refused = step
                .filter(|_| is_refusal(&arm.pat) || successes_are_behind && !is_success(&arm.pat));
            let is_conditional = is_conditional(&arm.attrs);
            if is_conditional {
                let [what, help] = NOT_UNDER_CFG;
                self.without_steps(what, help, |awaits| awaits.visit_arm_mut(arm));
            }
            let succeeded = step.is_some() && is_only_success(&arm.pat);
            successes_are_behind |= !is_conditional && is_every_success(&arm.pat);
            let (guard, flow) = self.scope(|walk| {
                walk.shadow(&arm.pat);
                let guard = walk.apart(|walk| walk.guard(&mut arm.pat));
                let flow = walk.apart(|walk| walk.expr(&mut arm.body, gives));
                (guard, flow)
            });
            ways.push(Way {
                when,
                guard,
                flow,
                refused,
                succeeded,
            });
        }
        self.branch(ways);
    }

    fn guard(&mut self, pattern: &mut Pat) {
        let Pat::Guard(guarded) = pattern else { return };
        if has_alternatives(&guarded.pat) {
            let what = "a step can't be awaited in the guard of a pattern with `|`, which may be evaluated twice";
            let help = "await it before the `match`, and use its output here";
            self.without_steps(what, help, |awaits| {
                awaits.visit_expr_mut(&mut guarded.guard);
            });
        }
        self.visit_expr_mut(&mut guarded.guard);
    }

    pub(super) fn let_else(&mut self, local: &mut Local) {
        let Some(init) = &mut local.init else {
            return self.shadow(&local.pat);
        };
        let when = format!("{} is not {}", text(&init.expr), text(&local.pat));
        let is_outcome = is_awaited(&init.expr);
        self.visit_expr_mut(&mut init.expr);
        let Some((_, otherwise)) = &mut init.diverge else {
            return self.shadow(&local.pat);
        };
        let step = self.last_site();
        let flow = self.apart(|walk| walk.visit_expr_mut(otherwise));
        self.branch(vec![Way {
            when,
            flow,
            refused: step.filter(|_| is_outcome && is_every_success(&local.pat)),
            ..Way::default()
        }]);
        self.shadow(&local.pat);
    }

    /// Walks through a statement. One under `#[cfg(…)]` is one way of two. `gives` says how the value of its block is used,
    /// if the statement may be that value.
    pub(super) fn conditional(&mut self, statement: &mut Stmt, gives: Option<Gives>) {
        if !may_be_left_out(statement) {
            return self.statement(statement, gives);
        }
        let [what, help] = NOT_UNDER_CFG;
        self.without_steps(what, help, |awaits| awaits.visit_stmt_mut(statement));
        let flow = self.apart(|walk| walk.statement(statement, gives));
        self.branch(vec![Way {
            when: "#[cfg(…)]".to_owned(),
            flow,
            ..Way::default()
        }]);
    }

    /// Reports a step in an argument or an element under `#[cfg(…)]`.
    pub(super) fn not_under_cfg(&mut self, node: &mut Expr) {
        let attributes = match node {
            Expr::Await(node) => &node.attrs,
            Expr::Block(node) => &node.attrs,
            Expr::Call(node) => &node.attrs,
            Expr::If(node) => &node.attrs,
            Expr::Macro(node) => &node.attrs,
            Expr::Match(node) => &node.attrs,
            Expr::MethodCall(node) => &node.attrs,
            Expr::Paren(node) => &node.attrs,
            Expr::Try(node) => &node.attrs,
            _ => return,
        };
        if is_conditional(attributes) {
            let [what, help] = NOT_UNDER_CFG;
            self.without_steps(what, help, |awaits| awaits.visit_expr_mut(node));
        }
    }

    /// Reports a step in a field under `#[cfg(…)]`.
    pub(super) fn field_not_under_cfg(&mut self, field: &mut FieldValue) {
        if is_conditional(&field.attrs) {
            let [what, help] = NOT_UNDER_CFG;
            self.without_steps(what, help, |awaits| awaits.visit_field_value_mut(field));
        }
    }

    fn statement(&mut self, statement: &mut Stmt, gives: Option<Gives>) {
        match (statement, gives) {
            (Stmt::Expr(value, None), Some(gives)) => self.expr(value, gives),
            (statement @ Stmt::Macro(_), gives) => self.macro_statement(statement, gives),
            (statement, _) => visit_mut::visit_stmt_mut(self, statement),
        }
    }

    fn macro_statement(&mut self, statement: &mut Stmt, gives: Option<Gives>) {
        let Stmt::Macro(called) = statement else {
            return;
        };
        let gives = gives.filter(|_| called.semi_token.is_none());
        let replacement = match gives {
            Some(gives) if is_try_join(&called.mac) => {
                Some(self.group_that(&called.mac, gives.first()))
            }
            gives => self.invocation(&called.mac, gives.unwrap_or(Gives::Value)),
        };
        if let Some(replacement) = replacement {
            let end = match gives {
                Some(_) => None,
                None => Some(called.semi_token.unwrap_or_default()),
            };
            *statement = Stmt::Expr(replacement, end);
        }
    }

    pub(super) fn last_site(&self) -> Option<usize> {
        self.sites.len().checked_sub(1)
    }
}

/// The index of the first statement that may give the value of the block: all statements behind it may be left out.
pub(super) fn begin_of_tail(statements: &[Stmt]) -> usize {
    let is_left_out =
        |statement: &&Stmt| may_be_left_out(statement) || matches!(statement, Stmt::Item(_));
    let left_out = statements.iter().rev().take_while(is_left_out).count();
    // An unconditional one before them has no value.
    statements.len() - left_out.max(1).min(statements.len())
}

fn may_be_left_out(statement: &Stmt) -> bool {
    match statement {
        Stmt::Local(local) => is_conditional(&local.attrs),
        Stmt::Macro(called) => is_conditional(&called.attrs),
        Stmt::Expr(value, _) => begins_with_cfg(value),
        Stmt::Item(_) => false,
    }
}

fn is_conditional(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr"))
}

/// Returns whether an expression begins with `#[cfg(…)]`, perhaps on a part of it, as in `#[cfg(…)] a = b`.
fn begins_with_cfg(value: &Expr) -> bool {
    let mut tokens = value.to_token_stream().into_iter();
    while let (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(group))) =
        (tokens.next(), tokens.next())
    {
        if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
            return false;
        }
        let name = group.stream().into_iter().next();
        if matches!(name, Some(TokenTree::Ident(name)) if name == "cfg" || name == "cfg_attr") {
            return true;
        }
    }
    false
}

fn has_alternatives(pattern: &Pat) -> bool {
    struct Find(bool);

    impl<'ast> Visit<'ast> for Find {
        fn visit_pat_or(&mut self, _: &'ast PatOr) {
            self.0 = true;
        }
    }

    let mut find = Find(false);
    visit::visit_pat(&mut find, pattern);
    if let Pat::Or(_) = pattern {
        find.0 = true;
    }
    find.0
}
