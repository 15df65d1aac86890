//! The shape of a saga as data, built from the same sites as the calls.

use proc_macro2::TokenStream;
use syn::visit::{self, Visit};
use syn::{Ident, Item, PatIdent, Path};

use super::names::variable;
use super::scope::Aliases;
use crate::saga::model::{Body, Flow, Input, Refusal};
use crate::spans::{code, literal};

// Expands to:
//
//     move || __p::shape::<Self>([shape_of(site0), shape_of(site1)])
pub(super) fn expand(inputs: &[Input<'_>], body: &Body) -> TokenStream {
    let shape = Shape {
        private: Aliases::new().private,
        body,
        own_names: OwnNames::new(inputs, body),
    };
    let (private, nodes) = (&shape.private, shape.list(&body.flow));
    code!(move || #private::Shape::new::<Self>([#(#nodes),*]))
}

struct Shape<'a> {
    private: TokenStream,
    body: &'a Body,
    own_names: OwnNames<'a>,
}

impl Shape<'_> {
    fn list(&self, flow: &[Flow]) -> Vec<TokenStream> {
        flow.iter().flat_map(|one| self.node(one)).collect()
    }

    /// The nodes that the shape shows of it, perhaps none.
    fn node(&self, flow: &Flow) -> Vec<TokenStream> {
        let private = &self.private;
        match flow {
            Flow::Step(index) => {
                let site = &self.body.sites[*index];
                let variable = variable(*index, site);
                vec![match &site.wait {
                    None if site.refusal == Refusal::IsHandled => {
                        code!(#private::handled(#private::shape_of(#variable)))
                    }
                    None => code!(#private::shape_of(#variable)),
                    Some(what) => {
                        let what = literal(what);
                        let events = &site.events;
                        let can_name = events.iter().all(|event| !self.own_names.have(event));
                        let events = if can_name { &events[..] } else { &[] };
                        let events = events
                            .iter()
                            .map(|event| code!(#private::EventOf(&#event).name()));
                        code!(#private::wait_of(#variable, #what, [#(#events),*]))
                    }
                }]
            }
            Flow::Group(sites) => {
                let members = sites.iter().map(|index| {
                    let site = variable(*index, &self.body.sites[*index]);
                    code!(#private::shape_of(#site))
                });
                let group = code!(#private::group([#(#members),*]));
                vec![if self.body.handles(sites) {
                    code!(#private::handled(#group))
                } else {
                    group
                }]
            }
            Flow::FanOut(each) => {
                let site = variable(each.site, &self.body.sites[each.site]);
                let (items, limit) = (literal(&each.items), literal(&each.limit));
                vec![code!(#private::fan_out(#items, #limit, #private::shape_of(#site)))]
            }
            Flow::MayFail(_) | Flow::Leave(_) => Vec::new(),
            Flow::Branch(ways) => {
                let arms: Vec<_> = ways
                    .iter()
                    .map(|way| {
                        let mut nodes = self.list(&way.guard);
                        nodes.extend(self.list(&way.flow));
                        (&way.when, nodes)
                    })
                    .collect();
                self.branch(&arms)
            }
            Flow::Loop(each) => {
                let (of, body) = (literal(&each.of), self.list(&each.flow));
                if body.is_empty() {
                    return Vec::new();
                }
                vec![code!(#private::repeat(#of, [#(#body),*]))]
            }
            Flow::Block { flow, .. } => self.list(flow),
            Flow::Return => vec![code!(#private::Node::Return)],
        }
    }

    fn branch(&self, arms: &[(&String, Vec<TokenStream>)]) -> Vec<TokenStream> {
        let private = &self.private;
        if arms.iter().all(|(_, nodes)| nodes.is_empty()) {
            return Vec::new();
        }
        let arms = arms.iter().map(|(when, nodes)| {
            let when = literal(when);
            code!(#private::arm(#when, [#(#nodes),*]))
        });
        vec![code!(#private::branch([#(#arms),*]))]
    }
}

/// What only the body can name: its inputs, its variables and its items. The shape stands outside of it.
struct OwnNames<'a> {
    variables: Vec<&'a Ident>,
    has_items: bool,
}

impl<'a> OwnNames<'a> {
    fn new(inputs: &[Input<'a>], body: &'a Body) -> Self {
        let mut names = Self {
            variables: inputs.iter().map(|input| input.name).collect(),
            has_items: false,
        };
        names.visit_block(&body.block);
        names
    }

    /// Returns whether the path may begin with such a name.
    fn have(&self, path: &Path) -> bool {
        let is_variable = |name| self.variables.contains(&name);
        self.has_items || path.get_ident().is_some_and(is_variable)
    }
}

impl<'a> Visit<'a> for OwnNames<'a> {
    fn visit_item(&mut self, _: &'a Item) {
        self.has_items = true;
    }

    fn visit_pat_ident(&mut self, variable: &'a PatIdent) {
        self.variables.push(&variable.ident);
        visit::visit_pat_ident(self, variable);
    }
}
