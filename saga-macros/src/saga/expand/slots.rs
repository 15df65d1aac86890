//! The slots of a saga: one slot for each call, for the value that a compensation needs.

use proc_macro2::{Ident, TokenStream};

use super::names::MOST_IN_A_TUPLE;
use crate::spans::code;

// Expands to:
//
//     SlotTuple::of((One::EMPTY, One::EMPTY))
//
// The types of the slots have parameters, which rustc infers at the calls that fill them. More slots than one tuple holds
// stand in tuples of tuples:
//
//     SlotGroups((SlotTuple::of((…)), SlotTuple::of((…))))
pub(super) fn expand(private: &TokenStream, kind: &Ident, count: usize) -> TokenStream {
    let mut tuples = Vec::new();
    let mut left = count;
    loop {
        let size = left.min(MOST_IN_A_TUPLE);
        let slots = (0..size).map(|_| code!(#private::#kind::EMPTY,));
        tuples.push(code!(#private::SlotTuple::of((#(#slots)*))));
        left -= size;
        if left == 0 {
            break;
        }
    }
    while tuples.len() > 1 {
        let groups = tuples.chunks(MOST_IN_A_TUPLE);
        tuples = groups
            .map(|group| code!(#private::SlotGroups((#(#group,)*))))
            .collect();
    }
    tuples.into_iter().collect()
}
