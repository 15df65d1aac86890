//! Loops, labeled blocks, and the jumps out of them.

use syn::visit_mut::VisitMut;
use syn::{Block, Expr, ExprBreak, Ident, Label, Lifetime};

use super::text;
use super::walk::{Gives, Walk};
use crate::saga::model::{Flow, Loop, Way};

/// A block or a loop that a jump inside can leave.
pub(super) struct Target {
    /// The number of its end in [`Flow::Leave`].
    end: usize,
    /// The number of its next round in [`Flow::Leave`], if it is a loop.
    again: Option<usize>,
    label: Option<Ident>,
    gives: Gives,
}

impl Walk<'_> {
    fn inside(
        &mut self,
        label: Option<&Label>,
        is_loop: bool,
        gives: Gives,
        walk: impl FnOnce(&mut Self),
    ) -> (usize, Vec<Flow>) {
        let end = self.ids;
        let again = is_loop.then_some(end + 1);
        self.ids += 1 + usize::from(is_loop);
        self.targets.push(Target {
            end,
            again,
            label: label.map(|label| label.name.ident.clone()),
            gives,
        });
        let flow = self.apart(walk);
        self.targets.pop();
        (end, flow)
    }

    pub(super) fn labeled(&mut self, label: Option<&Label>, block: &mut Block, gives: Gives) {
        self.leavable_that(label, gives, |walk| walk.block(block, gives));
    }

    /// A block whose value is not the result of the saga, in the arguments of a macro.
    pub(super) fn leavable(&mut self, label: Option<&Label>, walk: impl FnOnce(&mut Self)) {
        self.leavable_that(label, Gives::Value, walk);
    }

    fn leavable_that(&mut self, label: Option<&Label>, gives: Gives, walk: impl FnOnce(&mut Self)) {
        if label.is_none() {
            return walk(self);
        }
        let (id, flow) = self.inside(label, false, gives, walk);
        self.flow.push(Flow::Block { id, flow });
    }

    /// `for`, `while`, `loop`
    pub(super) fn looping(&mut self, node: &mut Expr, gives: Gives) {
        match node {
            Expr::ForLoop(each) => {
                let of = format!("for {} in {}", text(&each.pat), text(&each.expr));
                self.visit_expr_mut(&mut each.expr);
                self.rounds(of, each.label.as_ref(), true, Gives::Value, |walk| {
                    walk.scope(|walk| {
                        walk.shadow(&each.pat);
                        walk.block(&mut each.body, Gives::Value);
                    });
                });
            }
            Expr::While(each) => {
                let outside = self.cx;
                let when = text(&each.cond);
                let asked = self.apart(|walk| walk.visit_expr_mut(&mut each.cond));
                let of = format!("while {when}");
                let ends_itself = asked.is_empty();
                self.rounds(of, each.label.as_ref(), ends_itself, Gives::Value, |walk| {
                    let flow = walk.apart(|walk| walk.block(&mut each.body, Gives::Value));
                    if asked.is_empty() {
                        walk.flow.extend(flow);
                        return;
                    }
                    let end = walk.target(None).map(Target::leave);
                    let ways = [(when, flow), ("else".to_owned(), end.into_iter().collect())];
                    walk.flow.extend(asked);
                    walk.flow
                        .push(Flow::Branch(Vec::from(ways.map(|(when, flow)| Way {
                            when,
                            flow,
                            ..Way::default()
                        }))));
                });
                // What the condition binds ends with the loop.
                self.cx = outside;
            }
            Expr::Loop(each) => {
                let of = "loop".to_owned();
                self.rounds(of, each.label.as_ref(), false, gives, |walk| {
                    walk.block(&mut each.body, Gives::Value);
                });
            }
            _ => {}
        }
    }

    pub(super) fn rounds(
        &mut self,
        of: String,
        label: Option<&Label>,
        ends_itself: bool,
        gives: Gives,
        walk: impl FnOnce(&mut Self),
    ) {
        let (end, flow) = self.inside(label, true, gives, walk);
        self.repeats |= flow.iter().any(Flow::has_steps);
        if !flow.is_empty() {
            self.flow.push(Flow::Loop(Loop {
                of,
                flow,
                end,
                again: end + 1,
                ends_itself,
            }));
        }
    }

    /// `break`
    pub(super) fn leave(&mut self, jump: &mut ExprBreak) {
        let target = self.target(jump.label.as_ref().map(|label| &label.ident));
        let (leave, gives) = match target {
            Some(target) => (Some(target.leave()), target.gives),
            None => (None, Gives::Value),
        };
        if let Some(value) = &mut jump.expr {
            self.expr(value, gives);
        }
        self.flow.extend(leave);
    }

    /// `continue`
    pub(super) fn go_on(&mut self, label: Option<&Lifetime>) {
        let target = self.target(label.map(|label| &label.ident));
        let go_on = target.and_then(Target::go_on);
        self.flow.extend(go_on);
    }

    /// The block or the loop with this label, or the loop around the current place.
    pub(super) fn target(&self, label: Option<&Ident>) -> Option<&Target> {
        self.targets.iter().rev().find(|target| match label {
            Some(label) => target.label.as_ref() == Some(label),
            None => target.again.is_some(),
        })
    }
}

impl Target {
    /// A jump to its end.
    pub(super) fn leave(&self) -> Flow {
        Flow::Leave(self.end)
    }

    /// A jump to its next round, if it is a loop.
    pub(super) fn go_on(&self) -> Option<Flow> {
        self.again.map(Flow::Leave)
    }
}
