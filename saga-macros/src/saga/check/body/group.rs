//! Groups: steps that run at the same time, as members of a `try_join!`.

use proc_macro2::Span;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit_mut;
use syn::{Expr, ExprTry, Macro, Token};

use super::call::{callee, name};
use super::text;
use super::walk::{Refused, Walk};
use crate::saga::model::{First, Flow, Placeholder, Refusal, Results, Site};
use crate::spans::first_token;

/// The most members of a group, with the members of the groups inside.
const MOST: usize = 16;

impl Walk<'_> {
    /// `try_join!(…)?`
    pub(super) fn group(&mut self, attempt: &ExprTry) -> Option<Expr> {
        let invocation = try_join(&attempt.expr)?;
        Some(self.group_that(invocation, First::EndsTheSaga))
    }

    /// `try_join!(…)` as the result of the saga, translated before a `?`, or as a value that the body handles.
    pub(super) fn group_that(&mut self, invocation: &Macro, first: First) -> Expr {
        let (sites, flow) = (self.sites.len(), self.flow.len());
        let group = self.whole_group(invocation, first);
        group.unwrap_or_else(|Refused| {
            // The placeholder stands for all of the group.
            self.sites.truncate(sites);
            self.flow.truncate(flow);
            self.replaced()
        })
    }

    fn whole_group(&mut self, invocation: &Macro, first: First) -> Result<Expr, Refused> {
        let mut calls = Vec::new();
        let results = self.members(invocation, first.refusal(), &mut calls)?;
        let count = calls.len();
        if count > MOST {
            let what = format!("a group of {count} steps, where at most {MOST} are possible");
            let help = "call some of them after the others";
            let span = first_token(&invocation.path);
            return Err(self.refuse(span, what, help));
        }
        // Only now: the arguments of all members are evaluated before the first member begins.
        let begin = self.sites.len();
        let (sites, calls): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
        self.sites.extend(sites);
        self.flow
            .push(Flow::Group((begin..self.sites.len()).collect()));
        Ok(self.placeholder(
            Span::call_site(),
            Placeholder::Group {
                members: (begin..).zip(calls).collect(),
                results,
                first,
            },
        ))
    }

    /// Collects the calls of a group and of the groups inside, and walks through their arguments.
    fn members(
        &mut self,
        invocation: &Macro,
        refusal: Refusal,
        calls: &mut Vec<(Site, Expr)>,
    ) -> Result<Results, Refused> {
        let span = first_token(&invocation.path);
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        let members = match parser.parse2(invocation.tokens.clone()) {
            Ok(members) => members,
            Err(error) => {
                self.errors.push(error);
                return Err(Refused);
            }
        };
        if members.len() < 2 {
            let what = format!("a `try_join!` of {} steps", members.len());
            let what = what.replace("1 steps", "one step");
            let help = "give it at least two, which run at the same time; a single step is awaited: `charge(cx, &order).await?`";
            return Err(self.refuse(span, what, help));
        }
        let mut results = Vec::new();
        for mut member in members {
            if let Some(inner) = try_join(&member) {
                results.push(self.members(inner, refusal, calls)?);
                continue;
            }
            results.push(Results::Of(calls.len()));
            let site = self.member(&mut member, refusal)?;
            calls.push((site, member));
        }
        Ok(Results::All(results))
    }

    /// Checks one member: the call of a step, without an `.await` of its own. Returns its site, which the walk does not
    /// have yet.
    fn member(&mut self, member: &mut Expr, refusal: Refusal) -> Result<Site, Refused> {
        if let Some(span) = awaited(member) {
            let what = "a member of `try_join!` is awaited by itself";
            let help = "leave its `.await` out: all members run at the same time, and the `?` stands behind the `try_join!`";
            return Err(self.refuse(span, what, help));
        }
        if self.has_unawaited && matches!(member, Expr::Path(_)) {
            return Err(Refused);
        }
        let span = first_token(member);
        let Ok(call) = callee(member) else {
            let what = "only calls of steps can be members of a `try_join!`";
            let help =
                "call steps by their names: `try_join!(charge(cx, &order), reserve(cx, &order))?`";
            return Err(self.refuse(span, what, help));
        };
        let (path, span) = (text(&call.func), name(&call.func));
        self.hand_context(call);
        visit_mut::visit_expr_call_mut(self, call);
        Ok(Site {
            path,
            span,
            refusal,
            wait: None,
            events: Vec::new(),
        })
    }
}

/// Returns whether it is a `try_join!`, by any path.
pub(super) fn is_try_join(invocation: &Macro) -> bool {
    let last = invocation.path.segments.last();
    last.is_some_and(|last| last.ident == "try_join")
}

/// A `try_join!`, perhaps in parentheses.
pub(super) fn try_join(node: &Expr) -> Option<&Macro> {
    match node {
        Expr::Macro(invocation) => is_try_join(&invocation.mac).then_some(&invocation.mac),
        Expr::Paren(paren) => try_join(&paren.expr),
        Expr::Group(group) => try_join(&group.expr),
        _ => None,
    }
}

/// The place of an `.await` or a `?` behind a member.
pub(super) fn awaited(node: &Expr) -> Option<Span> {
    match node {
        Expr::Await(awaited) => Some(awaited.await_token.span),
        Expr::Try(attempt) => awaited(&attempt.expr).or_else(|| Some(attempt.question_token.span)),
        Expr::Paren(paren) => awaited(&paren.expr),
        Expr::Group(group) => awaited(&group.expr),
        _ => None,
    }
}
