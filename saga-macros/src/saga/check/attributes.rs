//! The attributes of a saga, sorted by the generated items that they belong to.

use syn::{Attribute, Ident, Signature};

use crate::errors::Errors;

/// Reports attributes that make sense on a function only: the saga becomes a struct.
pub(super) fn reject_attributes_of_functions(
    attributes: &[Attribute],
    signature: &Signature,
    errors: &mut Errors,
) {
    for (attribute, help) in attributes.iter().filter_map(of_functions) {
        let message = format!(
            "saga `{}` becomes a struct, where `#[{attribute}]` can't stand",
            signature.ident
        );
        errors.report(attribute.span(), message, help);
    }
}

/// The name of an attribute that makes sense on a function only, and the edit that mends it.
fn of_functions(attribute: &Attribute) -> Option<(&Ident, &'static str)> {
    let name = &attribute.path().segments.last()?.ident;
    let help = if name == "instrument" {
        "leave it out: each saga has a span of its own, and so has each attempt of a step"
    } else if name == "step" {
        "leave it out: other sagas can call this one, and `#[saga(compensatable)]` says what it counts as there"
    } else {
        return None;
    };
    Some((name, help))
}

/// The attributes of each place.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    /// On the struct.
    pub(super) definition: Vec<&'a Attribute>,
    /// On the body: levels of lints.
    pub(super) lints: Vec<&'a Attribute>,
    /// On each generated item.
    pub(super) conditions: Vec<&'a Attribute>,
}

pub(super) fn sort(attributes: &[Attribute]) -> Sorted<'_> {
    let mut sorted = Sorted::default();
    for attribute in attributes {
        let is = |name: &&str| attribute.path().is_ident(name);
        if is(&"cfg") {
            sorted.conditions.push(attribute);
        } else if is(&"expect") {
            // The struct would not fulfil it.
            sorted.lints.push(attribute);
        } else if ["allow", "warn", "deny", "forbid"].iter().any(is) {
            sorted.lints.push(attribute);
            sorted.definition.push(attribute);
        } else if !is(&"saga") && of_functions(attribute).is_none() {
            sorted.definition.push(attribute);
        }
    }
    sorted
}
