//! The constant with a step's name and policies.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;

use super::text;
use crate::duration;
use crate::step::model::{Attempts, Kind, Retry, Step, Time};

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
    let function = signature.ident.unraw().to_string();
    let path = quote!(::core::concat!(::core::module_path!(), "::", #function));
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
    let shared = policies
        .shared
        .as_ref()
        .map(|shared| quote!(.policy(#shared)));
    let timeout = policies
        .timeout
        .as_ref()
        .map(time)
        .map(|timeout| quote!(.timeout(#timeout)));
    let retry = policies.retry.as_ref();
    // A retry that only tests errors leaves the numbers to the shared policy.
    let is_test = |retry: &&Retry| retry.attempts.is_none() && retry.backoff.is_none();
    let retry = retry.filter(|retry| policies.shared.is_none() || !is_test(retry));
    let retry = retry.map(|retry| {
        let default = match &step.kind {
            Kind::Retriable => quote!(UNTIL_SUCCESS),
            Kind::Compensatable(_) | Kind::NothingToUndo | Kind::Pivot => quote!(COMPENSATION),
        };
        let retry = retry_policy(step, retry, &default);
        quote!(.retry(#retry))
    });
    let compensation_timeout = policies
        .compensation_timeout
        .as_ref()
        .map(time)
        .map(|timeout| quote!(.compensation_timeout(#timeout)));
    let compensation_retry = policies.compensation_retry.as_ref().map(|retry| {
        let retry = retry_policy(step, retry, &quote!(COMPENSATION));
        quote!(.compensation_retry(#retry))
    });
    quote! {
        #private::StepMeta::new(#name, #private::Kind::#kind).path(#path)
            #compensation #resolver #shared #timeout #retry #compensation_timeout #compensation_retry
    }
}

fn retry_policy(step: &Step<'_>, retry: &Retry, default: &TokenStream) -> TokenStream {
    let private = step.runtime.private();
    let policy = match &retry.attempts {
        None => quote!(#private::RetryPolicy::#default),
        Some(Attempts::Literal(attempts)) => quote!(#private::RetryPolicy::attempts(#attempts)),
        Some(Attempts::Constant(attempts)) => quote!(#private::RetryPolicy::attempts(#attempts)),
    };
    let backoff = retry.backoff.as_ref().map(|(first, longest)| {
        let (first, longest) = (time(first), time(longest));
        quote!(.backoff(#first, #longest))
    });
    quote!(#policy #backoff)
}

fn time(time: &Time) -> TokenStream {
    match time {
        Time::Literal(time) => duration::tokens(*time),
        Time::Constant(time) => quote!(#time),
    }
}
