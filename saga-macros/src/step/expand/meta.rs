//! The constant with a step's name and policies.

use proc_macro2::{Literal, TokenStream};

use super::text;
use crate::duration;
use crate::spans::{code, literal};
use crate::step::model::{Kind, Retry, Step};

// Expands to:
//
//     StepMeta::new("charge", Kind::Compensatable).compensation("refund").timeout(Duration::new(3, 0))
pub(super) fn expand(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        name,
        policies,
        ..
    } = step;
    let (private, name) = (runtime.private(), literal(name));
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
        .map(|path| literal(text(path)))
        .map(|path| code!(.resolver(#path)));
    let timeout = policies
        .timeout
        .map(duration::tokens)
        .map(|timeout| code!(.timeout(#timeout)));
    let retry = policies.retry.map(|retry| {
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
        .map(duration::tokens)
        .map(|timeout| code!(.compensation_timeout(#timeout)));
    let compensation_retry = policies.compensation_retry.map(|retry| {
        let retry = retry_policy(step, retry, &code!(UNTIL_SUCCESS));
        code!(.compensation_retry(#retry))
    });
    let in_doubt_retry = policies.in_doubt_retry.map(|retry| {
        let retry = retry_policy(step, retry, &code!(UNTIL_SUCCESS));
        code!(.in_doubt_retry(#retry))
    });
    code! {
        #private::StepMeta::new(#name, #private::Kind::#kind)
            #compensation #resolver #timeout #retry #compensation_timeout #compensation_retry
            #in_doubt_retry
    }
}

fn retry_policy(step: &Step<'_>, retry: Retry, default: &TokenStream) -> TokenStream {
    let private = step.runtime.private();
    let policy = retry.attempts.map_or_else(
        || code!(#private::RetryPolicy::#default),
        |attempts| {
            let attempts = literal(Literal::u32_unsuffixed(attempts));
            code!(#private::RetryPolicy::attempts(#attempts))
        },
    );
    let backoff = retry.backoff.map(|(first, longest)| {
        let (first, longest) = (duration::tokens(first), duration::tokens(longest));
        code!(.backoff(#first, #longest))
    });
    let give_up_after = retry.give_up_after.map(duration::tokens);
    let give_up_after = give_up_after.map(|waits| code!(.give_up_after(#waits)));
    code!(#policy #backoff #give_up_after)
}
