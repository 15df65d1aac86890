//! The mirror of a saga's body: the order of its steps as calls that the compiler checks and nobody runs.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use super::model::{Body, Flow, Saga, Way};
use super::names::variable;
use crate::spans::call;

// Expands to:
//
//     let _ = || {
//         let point0 = begin();
//         OnlyPivot::check(point0, site0);
//         let point1 = MayFollow::then(point0, site0);
//         OnlyPivot::check(point1, site1);
//         let point2 = MayFollow::then(point1, site1);
//     };
pub(super) fn expand(saga: &Saga<'_>, body: &Body) -> TokenStream {
    let mut mirror = Mirror {
        rules: saga.runtime.rules(),
        scope: saga.signature.ident.span(),
        body,
        lines: TokenStream::new(),
        points: 0,
        before: vec![None; body.sites.len()],
        left: Vec::new(),
    };
    let rules = &mirror.rules;
    let begin = quote!(#rules::begin());
    let start = mirror.point(&begin);
    mirror.sequence(&body.flow, Some(start));
    let lines = mirror.lines;
    quote!(let _ = || { #lines };)
}

/// A point in the body: a variable whose type says since when the saga only goes forward. `None` where no way leads.
type Point = Option<Ident>;

struct Mirror<'a> {
    rules: TokenStream,
    /// What the names of points resolve to.
    scope: Span,
    body: &'a Body,
    lines: TokenStream,
    points: usize,
    /// The point before each site.
    before: Vec<Point>,
    /// Blocks that the walk is in, and the points from which they were left.
    left: Vec<(usize, Vec<Point>)>,
}

impl Mirror<'_> {
    /// A new variable for the point that `value` gives.
    fn point(&mut self, value: &TokenStream) -> Ident {
        let name = format_ident!("__point{}", self.points, span = self.scope);
        self.points += 1;
        self.lines.extend(quote!(let #name = #value;));
        name
    }

    fn sequence(&mut self, flow: &[Flow], from: Point) -> Point {
        flow.iter().fold(from, |from, one| self.after(one, from))
    }

    /// The point after `flow`, if it begins at `from`. Each line stands at the place of the code that it mirrors.
    fn after(&mut self, flow: &Flow, from: Point) -> Point {
        let from = from?;
        match flow {
            Flow::Step(index) => Some(self.step(*index, &from)),
            Flow::MayFail(place) => {
                let rules = &self.rules;
                let check = call(place.0, quote!(#rules::MayFailAfter::check), &[&from]);
                self.lines.extend(quote!(#check;));
                Some(from)
            }
            Flow::Branch(ways) => self.branch(ways, from),
            Flow::Loop { flow, .. } => {
                self.sequence(flow, Some(from.clone()));
                Some(from)
            }
            Flow::Block { id, flow } => {
                self.left.push((*id, Vec::new()));
                let end = self.sequence(flow, Some(from));
                let (_, left) = self.left.pop().unwrap_or_default();
                left.into_iter()
                    .fold(end, |one, other| self.join(one, other))
            }
            Flow::Leave(id) => {
                if let Some((_, left)) = self.left.iter_mut().find(|(block, _)| block == id) {
                    left.push(Some(from));
                }
                None
            }
            Flow::Return => None,
        }
    }

    fn step(&mut self, index: usize, from: &Ident) -> Ident {
        let site = &self.body.sites[index];
        let (rules, span) = (&self.rules, site.span);
        let variable = variable(index, site);
        let check = call(span, quote!(#rules::OnlyPivot::check), &[from, &variable]);
        let then = call(span, quote!(#rules::MayFollow::then), &[from, &variable]);
        self.lines.extend(quote!(#check;));
        self.before[index] = Some(from.clone());
        self.point(&then)
    }

    fn branch(&mut self, ways: &[Way], from: Ident) -> Point {
        let (mut undecided, mut end) = (Some(from), None);
        for way in ways {
            let from = match way.refused {
                Some(index) => self.before[index].clone(),
                None => undecided.clone(),
            };
            let taken = self.sequence(&way.guard, from);
            if !way.guard.is_empty() {
                undecided = self.join(undecided, taken.clone());
            }
            let after = self.sequence(&way.flow, taken);
            end = self.join(end, after);
        }
        end
    }

    fn join(&mut self, one: Point, other: Point) -> Point {
        match (one, other) {
            (Some(one), Some(other)) if one != other => {
                let rules = &self.rules;
                let joined = quote!(#rules::Join::join(#one, #other));
                Some(self.point(&joined))
            }
            (one, other) => one.or(other),
        }
    }
}
