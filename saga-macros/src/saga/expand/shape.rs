//! The shape of a saga as data, built from the same sites as the calls.

use proc_macro2::TokenStream;
use quote::quote;

use super::names::variable;
use crate::saga::model::{Body, Flow, Saga};

// Expands to:
//
//     move || Shape::new::<Self>(From::from([shape_of(site0), shape_of(site1)]))
pub(super) fn expand(saga: &Saga<'_>, body: &Body) -> TokenStream {
    let runtime = &saga.runtime;
    let shape = Shape {
        private: runtime.private(),
        body,
    };
    let nodes = shape.nodes(&body.flow);
    quote!(move || #runtime::Shape::new::<Self>(#nodes))
}

struct Shape<'a> {
    private: TokenStream,
    body: &'a Body,
}

impl Shape<'_> {
    fn nodes(&self, flow: &[Flow]) -> TokenStream {
        let nodes = self.list(flow);
        quote!(::core::convert::From::from([#(#nodes),*]))
    }

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
                    None => quote!(#private::shape_of(#variable)),
                    Some(what) => quote!(#private::wait_of(#variable, #what)),
                }]
            }
            Flow::Group(sites) => {
                let members = sites.iter().map(|index| {
                    let site = variable(*index, &self.body.sites[*index]);
                    quote!(#private::shape_of(#site))
                });
                vec![quote!(#private::group(::core::convert::From::from([#(#members),*])))]
            }
            Flow::FanOut(each) => {
                let site = variable(each.site, &self.body.sites[each.site]);
                let (items, limit) = (&each.items, &each.limit);
                vec![quote!(#private::fan_out(#items, #limit, #private::shape_of(#site)))]
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
                let (of, body) = (&each.of, self.list(&each.flow));
                if body.is_empty() {
                    return Vec::new();
                }
                vec![quote!(#private::repeat(#of, ::core::convert::From::from([#(#body),*])))]
            }
            Flow::Block { flow, .. } => self.list(flow),
            Flow::Return => vec![quote!(#private::Node::Return)],
        }
    }

    fn branch(&self, arms: &[(&String, Vec<TokenStream>)]) -> Vec<TokenStream> {
        let private = &self.private;
        if arms.iter().all(|(_, nodes)| nodes.is_empty()) {
            return Vec::new();
        }
        let arms = arms
            .iter()
            .map(|(when, nodes)| quote!(#private::arm(#when, ::core::convert::From::from([#(#nodes),*]))));
        vec![quote!(#private::Node::Branch(::core::convert::From::from([#(#arms),*])))]
    }
}
