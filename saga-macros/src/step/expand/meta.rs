//! The constant with a step's name and policies.

use proc_macro2::TokenStream;
use quote::quote;

use super::text;
use crate::duration;
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
    let private = runtime.private();
    let kind = match &step.kind {
        Kind::Compensatable(_) => quote!(Compensatable),
        Kind::NothingToUndo => quote!(NothingToUndo),
        Kind::Pivot => quote!(Pivot),
        Kind::Retriable => quote!(Retriable),
    };
    let compensation = match &step.kind {
        Kind::Compensatable(path) => {
            let path = text(path);
            quote!(.compensation(#path))
        }
        Kind::NothingToUndo | Kind::Pivot | Kind::Retriable => TokenStream::new(),
    };
    let resolver = policies
        .resolver
        .as_ref()
        .map(text)
        .map(|path| quote!(.resolver(#path)));
    let timeout = policies
        .timeout
        .map(duration::tokens)
        .map(|timeout| quote!(.timeout(#timeout)));
    let retry = policies.retry.map(|retry| {
        let default = match &step.kind {
            Kind::Retriable => quote!(UNTIL_SUCCESS),
            Kind::Compensatable(_) | Kind::NothingToUndo | Kind::Pivot => quote!(COMPENSATION),
        };
        let retry = retry_policy(step, retry, &default);
        quote!(.retry(#retry))
    });
    let compensation_timeout = policies
        .compensation_timeout
        .map(duration::tokens)
        .map(|timeout| quote!(.compensation_timeout(#timeout)));
    let compensation_retry = policies.compensation_retry.map(|retry| {
        let retry = retry_policy(step, retry, &quote!(COMPENSATION));
        quote!(.compensation_retry(#retry))
    });
    quote! {
        #private::StepMeta::new(#name, #private::Kind::#kind)
            #compensation #resolver #timeout #retry #compensation_timeout #compensation_retry
    }
}

fn retry_policy(step: &Step<'_>, retry: Retry, default: &TokenStream) -> TokenStream {
    let private = step.runtime.private();
    let policy = retry.attempts.map_or_else(
        || quote!(#private::RetryPolicy::#default),
        |attempts| quote!(#private::RetryPolicy::attempts(#attempts)),
    );
    let backoff = retry.backoff.map(|(first, longest)| {
        let (first, longest) = (duration::tokens(first), duration::tokens(longest));
        quote!(.backoff(#first, #longest))
    });
    quote!(#policy #backoff)
}
