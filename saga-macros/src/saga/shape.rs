//! The shape of a saga as data, built from the same sites as the calls.

use proc_macro2::TokenStream;
use quote::quote;

use super::body::variable;
use super::model::{Flow, Saga};

// Expands to:
//
//     move || Shape::new::<Self>(vec([shape_of(site0), shape_of(site1)]))
pub(super) fn expand(saga: &Saga<'_>) -> TokenStream {
    let runtime = &saga.runtime;
    let body = nodes(saga, &saga.flow);
    quote!(move || #runtime::Shape::new::<Self>(#body))
}

fn nodes(saga: &Saga<'_>, flow: &[Flow]) -> TokenStream {
    let private = saga.runtime.private();
    let nodes = flow.iter().filter_map(|one| node(saga, one));
    quote!(#private::Vec::from([#(#nodes),*]))
}

/// What the shape shows of it, if it shows it.
fn node(saga: &Saga<'_>, flow: &Flow) -> Option<TokenStream> {
    let runtime = &saga.runtime;
    let private = runtime.private();
    match flow {
        Flow::Step(index) => {
            let site = variable(*index, &saga.sites[*index]);
            Some(quote!(#private::shape_of(#site)))
        }
        Flow::MayFail(_) => None,
        Flow::Branch(ways) => {
            if ways.iter().all(|way| !shows(&way.flow)) {
                return None;
            }
            let arms = ways.iter().map(|way| {
                let (when, body) = (&way.when, nodes(saga, &way.flow));
                quote!(#private::arm(#when, #body))
            });
            Some(quote!(#runtime::Node::Branch(#private::Vec::from([#(#arms),*]))))
        }
        Flow::Return => Some(quote!(#runtime::Node::Return)),
    }
}

fn shows(flow: &[Flow]) -> bool {
    flow.iter().any(|one| match one {
        Flow::Step(_) | Flow::Return => true,
        Flow::MayFail(_) => false,
        Flow::Branch(ways) => ways.iter().any(|way| shows(&way.flow)),
    })
}
