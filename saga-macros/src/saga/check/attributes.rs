//! The attributes of a saga: which of its items each belongs to.

use syn::{Attribute, Ident, Signature};

use crate::errors::Errors;

/// Attributes of a saga go to its struct, and some make sense on a function only.
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

/// The name of an attribute that makes sense on a function only, and what to do instead.
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

/// Which attribute stands where.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    /// On the struct.
    pub(super) definition: Vec<&'a Attribute>,
    /// On the body: what is said of lints.
    pub(super) lints: Vec<&'a Attribute>,
    /// On everything that is generated.
    pub(super) conditions: Vec<&'a Attribute>,
}

pub(super) fn sort(attributes: &[Attribute]) -> Sorted<'_> {
    let mut sorted = Sorted::default();
    for attribute in attributes {
        let is = |name: &&str| attribute.path().is_ident(name);
        if is(&"cfg") {
            sorted.conditions.push(attribute);
        } else if is(&"expect") {
            // It would not be fulfilled on the struct.
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
