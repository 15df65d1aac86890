//! The order rule of a saga: the order of its steps as calls that rustc checks. They never run.

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;

use super::names::variable;
use super::scope::Aliases;
use crate::saga::model::{Body, CountsAs, Line, Saga};
use crate::spans::{call, code};

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
    let rule = OrderRule {
        rules: Aliases::new().rules,
        scope: saga.signature.ident.span(),
        body,
        counts_as: saga.options.counts_as,
    };
    let lines = body.lines.iter().enumerate();
    let lines = lines.map(|(number, line)| rule.line(number, *line));
    let promises = rule.promises();
    code!(let _ = || { #(#lines)* #promises };)
}

struct OrderRule<'a> {
    rules: TokenStream,
    /// The scope in which the names of points resolve.
    scope: Span,
    body: &'a Body,
    counts_as: CountsAs,
}

impl OrderRule<'_> {
    fn point(&self, number: usize) -> Ident {
        format_ident!("__point{number}", span = self.scope)
    }

    /// The checks of the kind that the saga claims: one for each of its steps.
    fn promises(&self) -> TokenStream {
        let rules = &self.rules;
        let rule = match self.counts_as {
            CountsAs::Compensatable => code!(#rules::CanBeUndone::check),
            CountsAs::Retriable => code!(#rules::NeverFails::check),
            CountsAs::Pivot => return TokenStream::new(),
        };
        let sites = self.body.sites.iter().enumerate();
        sites
            .map(|(index, site)| {
                let check = call(site.span, rule.clone(), &[&variable(index, site)]);
                code!(#check;)
            })
            .collect()
    }

    /// The code of a line, at the place of the step that it speaks of.
    fn line(&self, number: usize, line: Line) -> TokenStream {
        let (rules, point) = (&self.rules, self.point(number));
        match line {
            Line::Begin => code!(let #point = #rules::begin();),
            Line::Then { from, site } => {
                let span = self.body.sites[site].span;
                let arguments = [&self.point(from), &variable(site, &self.body.sites[site])];
                let check = call(span, code!(#rules::OnlyPivot::check), &arguments);
                let then = call(span, code!(#rules::MayFollow::then), &arguments);
                code!(#check; let #point = #then;)
            }
            Line::Beside { first, site } => {
                let span = self.body.sites[site].span;
                let [first, own] = [first, site].map(|site| variable(site, &self.body.sites[site]));
                let group = call(span, code!(#rules::InGroup::check), &[&own]);
                let beside = call(span, code!(#rules::Beside::check), &[&first, &own]);
                code!(#group; #beside;)
            }
            // `check` has reported it already.
            Line::MayFail { .. } if self.counts_as == CountsAs::Retriable => TokenStream::new(),
            Line::MayFail { from, place } => {
                let from = [&self.point(from)];
                let check = call(place.0, code!(#rules::MayFailAfter::check), &from);
                code!(#check;)
            }
            Line::Join { one, other } => {
                let (one, other) = (self.point(one), self.point(other));
                code!(let #point = #rules::Join::join(#one, #other);)
            }
        }
    }
}
