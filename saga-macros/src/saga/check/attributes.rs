//! The attributes of a saga, sorted by the generated items that they belong to.

use syn::{Attribute, Ident, Signature};

use crate::errors::Errors;
use crate::spans::first_token;

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

/// The names of the levels of lints that stand on the struct as well.
const LEVELS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

/// The levels of lints at the beginning of the body. Reports any other attribute there.
pub(super) fn lints_of_body<'a>(
    attributes: &'a [Attribute],
    errors: &mut Errors,
) -> Vec<&'a Attribute> {
    let is_lint = |attribute: &&Attribute| {
        let is = |name: &&str| attribute.path().is_ident(name);
        is(&"expect") || LEVELS.iter().any(is)
    };
    let (lints, others): (Vec<_>, Vec<_>) = attributes.iter().partition(is_lint);
    for other in others {
        let what = "only levels of lints can stand at the beginning of a saga's body";
        let help = "write the attribute before the function, for the struct of the saga";
        errors.report(first_token(other.path()), what, help);
    }
    lints
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
        } else if LEVELS.iter().any(is) {
            sorted.lints.push(attribute);
            sorted.definition.push(attribute);
        } else if !is(&"saga") && of_functions(attribute).is_none() {
            sorted.definition.push(attribute);
        }
    }
    sorted
}
