//! The rules of a saga, one function each. The rules of its attributes, options, inputs and body have files of their
//! own.

mod attributes;
mod body;
mod hidden;
mod inputs;
mod name;
mod options;
mod paths;

use super::model::{Body, CountsAs, Flow, Options, Saga};
use super::parse::SagaSyntax;
use crate::errors::Errors;
use crate::runtime_path::RuntimePath;
use crate::signature::{
    Owner, context, reject_generics, reject_qualifiers, reject_receiver, reject_sync, returned,
};
use crate::source::Source;
use attributes::{Sorted, lints_of_body, reject_attributes_of_functions, sort};
use hidden::reject_hidden_awaits;
pub(super) use name::{struct_name, struct_of};
pub(super) use options::runtime_of;

/// Checks everything. `None` if the signature can't be that of a saga. With any other mistake it stays a saga, perhaps
/// without its body.
pub(super) fn check<'a>(
    syntax: &'a SagaSyntax,
    source: &Source,
    errors: &mut Errors,
) -> Option<Saga<'a>> {
    let signature = &syntax.signature;
    let written = options::written(&syntax.attributes, errors);
    let options = options::options(&written, signature, errors);
    let runtime = RuntimePath::from_options(&written, errors);
    reject_sync(Owner::Saga, signature, errors);
    reject_qualifiers(Owner::Saga, signature, errors);
    reject_attributes_of_functions(&syntax.attributes, signature, errors);
    if reject_receiver(Owner::Saga, signature, errors) {
        return None;
    }
    let inner = lints_of_body(&syntax.inner, errors);
    let name = name::name(signature, &written, source, errors);
    let is_generic = reject_generics(Owner::Saga, signature, errors);
    let context = context::check(Owner::Saga, signature, errors);
    let inputs = inputs::inputs(signature, errors);
    let returned = returned::check(Owner::Saga, signature, errors);
    let body = match &syntax.body {
        Ok(block) => {
            let cx = context.as_ref().map(|(cx, _)| *cx);
            let so_far = errors.len();
            let body = body::check(signature, cx, block, source, errors);
            if errors.len() == so_far {
                reject_hidden_awaits(cx, block, source, errors);
            }
            body
        }
        Err(error) => {
            errors.push(error.clone());
            None
        }
    };
    reject_failures(body.as_ref(), &options, errors);
    let (cx, context) = context?;
    let Sorted {
        definition,
        mut lints,
        conditions,
    } = sort(&syntax.attributes);
    lints.extend(inner);
    let mut saga = Saga {
        runtime,
        attributes: definition,
        lints,
        conditions,
        visibility: &syntax.visibility,
        signature,
        name: name?,
        options,
        cx,
        context,
        inputs: inputs?,
        returned: returned?,
        body,
        known: source.documented_steps(),
    };
    if is_generic {
        return None;
    }
    if let Some(body) = &mut saga.body {
        body.mistake = errors.place_replaced();
    }
    Some(saga)
}

/// Reports the first place where the body of a `retriable` saga may fail.
fn reject_failures(body: Option<&Body>, options: &Options, errors: &mut Errors) {
    if options.counts_as != CountsAs::Retriable {
        return;
    }
    let Some(place) = body.and_then(|body| body.flow.iter().find_map(Flow::may_fail)) else {
        return;
    };
    let what = "the saga can fail here, but it is marked `retriable`";
    let help = "handle the error here, or leave `retriable` out: then the saga counts as a pivot where other sagas call it";
    errors.report(place.0, what, help);
}
