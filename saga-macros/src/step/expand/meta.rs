//! The constant with a step's name and policies.

use proc_macro2::{Literal, TokenStream};
use syn::ext::IdentExt as _;

use super::text;
use crate::duration;
use crate::spans::{code, literal};
use crate::step::model::{Attempts, Kind, Resolver, Retry, Step, Time};

// Expands to:
//
//     StepMeta::new("charge", Kind::Compensatable).path(concat!(module_path!(), "::", "charge")).compensation("refund").timeout(Duration::new(3, 0))
pub(super) fn expand(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        name,
        policies,
        signature,
        ..
    } = step;
    let (private, name) = (runtime.private(), literal(name));
    let function = literal(signature.ident.unraw().to_string());
    let path = code!(::core::concat!(::core::module_path!(), "::", #function));
    let kind = match &step.kind {
        Kind::Compensatable(_) => code!(Compensatable),
        Kind::NothingToUndo => code!(NothingToUndo),
        Kind::Pivot => code!(Pivot),
        Kind::Retriable => code!(Retriable),
    };
    let compensation = match &step.kind {
        Kind::Compensatable(path) => {
            let path = literal(text(path));
            code!(.compensation(#path))
        }
        Kind::NothingToUndo | Kind::Pivot | Kind::Retriable => TokenStream::new(),
    };
    let resolver = policies
        .resolver
        .as_ref()
        .and_then(|resolver| match (resolver, &step.kind) {
            (Resolver::Path(path), _) | (Resolver::Compensation, Kind::Compensatable(path)) => {
                Some(path)
            }
            (Resolver::Compensation, _) => None,
        })
        .map(|path| literal(text(path)))
        .map(|path| code!(.resolver(#path)));
    let shared = policies
        .shared
        .as_ref()
        .map(|shared| code!(.policy(#shared)));
    let timeout = policies
        .timeout
        .as_ref()
        .map(time)
        .map(|timeout| code!(.timeout(#timeout)));
    let retry = policies.retry.as_ref();
    let retry = retry.map(|retry| {
        // A retry that only tests errors leaves the numbers to the policies of the step and of the saga.
        if retry.attempts.is_none() && retry.backoff.is_none() && retry.give_up_after.is_none() {
            return code!(.retry_by_default(#private::RetryPolicy::COMPENSATION));
        }
        let default = match &step.kind {
            Kind::Retriable => code!(UNTIL_SUCCESS),
            _ if retry.give_up_after.is_some() => code!(UNTIL_SUCCESS),
            Kind::Compensatable(_) | Kind::NothingToUndo | Kind::Pivot => code!(COMPENSATION),
        };
        let retry = retry_policy(step, retry, &default);
        code!(.retry(#retry))
    });
    let compensation_timeout = policies
        .compensation_timeout
        .as_ref()
        .map(time)
        .map(|timeout| code!(.compensation_timeout(#timeout)));
    let compensation_retry = policies.compensation_retry.as_ref().map(|retry| {
        let retry = retry_policy(step, retry, &code!(UNTIL_SUCCESS));
        code!(.compensation_retry(#retry))
    });
    let in_doubt_retry = policies.in_doubt_retry.as_ref().map(|retry| {
        let retry = retry_policy(step, retry, &code!(UNTIL_SUCCESS));
        code!(.in_doubt_retry(#retry))
    });
    code! {
        #private::StepMeta::new(#name, #private::Kind::#kind).path(#path)
            #compensation #resolver #shared #timeout #retry #compensation_timeout #compensation_retry
            #in_doubt_retry
    }
}

fn retry_policy(step: &Step<'_>, retry: &Retry, default: &TokenStream) -> TokenStream {
    let private = step.runtime.private();
    let policy = match &retry.attempts {
        None => code!(#private::RetryPolicy::#default),
        Some(Attempts::Literal(attempts)) => {
            let attempts = literal(Literal::u32_unsuffixed(*attempts));
            code!(#private::RetryPolicy::attempts(#attempts))
        }
        Some(Attempts::Constant(attempts)) => code!(#private::RetryPolicy::attempts(#attempts)),
    };
    let backoff = retry.backoff.as_ref().map(|(first, longest)| {
        let (first, longest) = (time(first), time(longest));
        code!(.backoff(#first, #longest))
    });
    let give_up_after = retry.give_up_after.as_ref().map(time);
    let give_up_after = give_up_after.map(|waits| code!(.give_up_after(#waits)));
    code!(#policy #backoff #give_up_after)
}

fn time(time: &Time) -> TokenStream {
    match time {
        Time::Literal(time) => duration::tokens(*time),
        Time::Constant(time) => code!(#time),
    }
}
