//! The rules of a saga's inputs, which become fields of its struct.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{FnArg, Ident, Pat, PatType, Signature};

use crate::errors::Errors;
use crate::saga::model::Input;
use crate::signature::types::{anonymous, borrowed, reference};
use crate::signature::{Owner, reject_conditional_input};

/// The parameters after the context. `None` if one of them can't be a field.
pub(super) fn inputs<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<Vec<Input<'a>>> {
    let mut inputs = Vec::new();
    let all = signature.inputs.len().saturating_sub(1);
    for input in signature.inputs.iter().skip(1) {
        let FnArg::Typed(typed) = input else {
            continue;
        };
        if reject_conditional_input(Owner::Saga, signature, typed, errors) {
            continue;
        }
        match name(typed) {
            Ok(name) => inputs.push(Input {
                attributes: &typed.attrs,
                pattern: &typed.pat,
                name,
                ty: &typed.ty,
            }),
            Err((span, what, help)) => {
                let message = format!("an input of saga `{}` {what}", signature.ident);
                errors.report(span, message, help);
            }
        }
    }
    (inputs.len() == all).then_some(inputs)
}

/// The name of an input. For one that can't be a field: the place, the mistake, and the edit that mends it.
fn name(input: &PatType) -> Result<&Ident, (Span, &'static str, &'static str)> {
    if let Some(span) = anonymous(&input.ty) {
        return Err((span, "has no concrete type", "write its type"));
    }
    if let Some(span) = borrowed(&input.ty).or_else(|| reference(&input.ty)) {
        let help =
            "take it by value: the input is stored, so that the saga can go on after a crash";
        return Err((span, "is borrowed", help));
    }
    match &*input.pat {
        Pat::Ident(pattern) => Ok(&pattern.ident),
        pattern => {
            let help = "give it a name, and take it apart in the body";
            Err((pattern.span(), "has no name", help))
        }
    }
}
