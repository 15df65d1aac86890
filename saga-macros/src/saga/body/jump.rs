//! Loops, labeled blocks, and the ways out of them.

use syn::visit_mut::VisitMut;
use syn::{Block, Expr, ExprBreak, Ident, Label, Lifetime};

use super::text;
use super::walk::{Gives, Walk};
use crate::saga::model::Flow;

/// A block or a loop that can be left from inside.
pub(super) struct Target {
    id: usize,
    label: Option<Ident>,
    is_loop: bool,
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
        let id = self.ids;
        self.ids += 1;
        self.targets.push(Target {
            id,
            label: label.map(|label| label.name.ident.clone()),
            is_loop,
            gives,
        });
        let flow = self.apart(walk);
        self.targets.pop();
        (id, flow)
    }

    pub(super) fn labeled(&mut self, label: Option<&Label>, block: &mut Block, gives: Gives) {
        if label.is_none() {
            return self.block(block, gives);
        }
        let (id, flow) = self.inside(label, false, gives, |walk| walk.block(block, gives));
        self.flow.push(Flow::Block { id, flow });
    }

    /// A loop is plain code; a step in it would need a number for each round.
    pub(super) fn looping(&mut self, node: &mut Expr, gives: Gives) {
        let (of, flow) = match node {
            Expr::ForLoop(each) => {
                let of = format!("for {} in {}", text(&each.pat), text(&each.expr));
                self.visit_expr_mut(&mut each.expr);
                self.once("for", |awaits| awaits.visit_block_mut(&mut each.body));
                let body = |walk: &mut Self| walk.block(&mut each.body, Gives::Value);
                let (_, flow) = self.inside(each.label.as_ref(), true, Gives::Value, body);
                (of, flow)
            }
            Expr::While(each) => {
                let of = format!("while {}", text(&each.cond));
                self.once("while", |awaits| awaits.visit_expr_while_mut(each));
                let body = |walk: &mut Self| {
                    walk.visit_expr_mut(&mut each.cond);
                    walk.block(&mut each.body, Gives::Value);
                };
                let (_, flow) = self.inside(each.label.as_ref(), true, Gives::Value, body);
                (of, flow)
            }
            Expr::Loop(each) => {
                self.once("loop", |awaits| awaits.visit_block_mut(&mut each.body));
                let body = |walk: &mut Self| walk.block(&mut each.body, Gives::Value);
                let (_, flow) = self.inside(each.label.as_ref(), true, gives, body);
                ("loop".to_owned(), flow)
            }
            _ => return,
        };
        if !flow.is_empty() {
            self.flow.push(Flow::Loop { of, flow });
        }
    }

    fn once(&mut self, keyword: &str, each: impl FnMut(&mut dyn VisitMut)) {
        let what = format!("a step inside of a `{keyword}` is not supported yet");
        let help = format!(
            "call the step after the other by hand, or put the `{keyword}` into one step that does all of it"
        );
        self.without_steps(&what, &help, each);
    }

    /// `break`
    pub(super) fn leave(&mut self, jump: &mut ExprBreak) {
        let target = self
            .target(jump.label.as_ref())
            .map(|target| (target.id, target.gives));
        let gives = target.map_or(Gives::Value, |(_, gives)| gives);
        if let Some(value) = &mut jump.expr {
            self.expr(value, gives);
        }
        self.flow.extend(target.map(|(id, _)| Flow::Leave(id)));
    }

    /// `continue`
    pub(super) fn go_on(&mut self, label: Option<&Lifetime>) {
        let target = self.target(label).map(|target| Flow::Leave(target.id));
        self.flow.extend(target);
    }

    fn target(&self, label: Option<&Lifetime>) -> Option<&Target> {
        self.targets.iter().rev().find(|target| match label {
            Some(label) => target.label.as_ref() == Some(&label.ident),
            None => target.is_loop,
        })
    }
}
