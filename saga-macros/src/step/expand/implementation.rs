//! The code of a checked step: the trait by which an engine runs and compensates it.

use proc_macro2::{Delimiter, Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Token};

use super::marker;
use super::meta;
use crate::signature::associated;
use crate::signature::lifetimes::with_lifetime;
use crate::spans::{at, code, first_token, group, here};
use crate::step::model::{Kind, Predicate, Resolver, Step};

// Expands to:
//
//     impl Step for __charge::charge {
//         const META: StepMeta = …;
//         type Kind = Compensatable;
//         type Services = Shop;
//         type Args<'step> = (&'step Order,);
//         type Output = Payment;
//         type Error = PaymentError;
//         fn run(…) … fn compensate(…) …
//     }
pub(super) fn expand(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        conditions,
        signature,
        ..
    } = step;
    let (private, rules) = (runtime.private(), runtime.rules());
    let marker = marker(step);
    let place = signature.ident.span();
    let meta = meta::expand(step);
    let kind = match &step.kind {
        Kind::Compensatable(_) => code!(Compensatable),
        Kind::NothingToUndo => code!(NothingToUndo),
        Kind::Pivot => code!(Pivot),
        Kind::Retriable => code!(Retriable),
    };
    let services = associated::services(&rules, &step.context);
    let inputs: Vec<_> = step
        .inputs
        .iter()
        .map(|input| with_lifetime(&input.ty, "'step"))
        .collect();
    let span = signature.paren_token.span.join();
    let arguments = quote_spanned!(span=> (#(#inputs,)*));
    let arguments = associated::associated(span, code!(type Args<'step>), &arguments);
    let [output, error] =
        ["Output", "Error"].map(|name| associated::of_result(&rules, step.returned, name));
    let run = run(step);
    let compensate = compensate(step);
    let resolve = resolve(step);
    let errors = associated::error_record(&private);
    let predicates = predicates(step);
    let digest = digest(step);
    let by_key = by_key(step);
    // The place of an item is that of its first token, here the attribute.
    let attributes = at(
        place,
        code!(#[automatically_derived] #[allow(unused_braces, clippy::all, clippy::pedantic)]),
    );
    let keyword = Token![impl](place);
    let items = group(
        Delimiter::Brace,
        place,
        code! {
            const META: #private::StepMeta = #meta;
            type Kind = #private::#kind;
            #services
            #arguments
            #output
            #error
            #run
            #compensate
            #resolve
            #errors
            #predicates
            #digest
        },
    );
    code! {
        #(#conditions)*
        #attributes
        #keyword #private::Step for #marker #items

        #by_key
    }
}

// Expands to:
//
//     fn run<'cx, 'step>(cx: Context<'cx, Shop>, (order,): (&'step Order,)) -> impl Future<…> + Send {
//         async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, PaymentError> { … }
//         charge(cx, order)
//     }
fn run(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        inner,
        signature,
        body,
        ..
    } = step;
    let name = &signature.ident;
    let arguments = numbered(step);
    let cx = Ident::new("__cx", here());
    let private = runtime.private();
    let future = future(
        &private,
        name.span(),
        &code!(::core::result::Result<Self::Output, Self::Error>),
    );
    code! {
        #[inline]
        fn run<'cx, 'step>(
            #cx: #runtime::Context<'cx, Self::Services>,
            (#(#arguments,)*): Self::Args<'step>,
        ) -> #future {
            #[allow(clippy::needless_pass_by_value, clippy::unused_async)]
            #(#inner)*
            #signature #body
            #name(#cx, #(#arguments),*)
        }
    }
}

// Expands to:
//
//     fn digest((input0,): &Self::Args<'_>) -> Option<u64> {
//         use {AddsInput as _, SkipsInput as _};
//         let mut digest = Digest::new();
//         (&DigestInput(input0)).add_to(&mut digest);
//         digest.finish()
//     }
//
// The reference makes rustc find the method of an input that is `Serialize` first, and the other one if it is not.
fn digest(step: &Step<'_>) -> TokenStream {
    if step.inputs.is_empty() {
        return TokenStream::new();
    }
    let private = step.runtime.private();
    let arguments = numbered(step);
    let digest = Ident::new("__digest", here());
    code! {
        fn digest(
            (#(#arguments,)*): &Self::Args<'_>,
        ) -> ::core::option::Option<::core::primitive::u64> {
            #[allow(unused_imports)]
            use #private::{AddsInput as _, SkipsInput as _};
            let mut #digest = #private::Digest::new();
            #((&#private::DigestInput(#arguments)).add_to(&mut #digest);)*
            #digest.finish()
        }
    }
}

/// `impl Future<Output = …> + Send`. Rustc reports a future that is not `Send` at `span`.
fn future(private: &TokenStream, span: Span, output: &TokenStream) -> TokenStream {
    quote_spanned!(span=> impl #private::Future<Output = #output> + #private::Send)
}

fn numbered(step: &Step<'_>) -> Vec<Ident> {
    (0..step.inputs.len())
        .map(|index| format_ident!("__input{index}", span = here()))
        .collect()
}

/// The call of the compensation, at its path: there rustc reports its mistakes.
//
// Expands to:
//
//     fn compensate<'cx, 'step>(cx: Context<'cx, Shop>, output: &'step Payment) -> impl Future<…> + Send {
//         undoing({ refund }, cx, output)
//     }
//
// With `in_doubt(resolve)` instead `undoing_by_key({ refund }, cx)`.
fn compensate(step: &Step<'_>) -> TokenStream {
    let Kind::Compensatable(path) = &step.kind else {
        return TokenStream::new();
    };
    let Step { runtime, .. } = step;
    let (private, rules) = (runtime.private(), runtime.rules());
    let span = name_of(path);
    let [cx, output] = ["__cx", "__output"].map(|name| Ident::new(name, span));
    // In a block, so that rustc does not suggest a closure around it.
    let function = group(Delimiter::Brace, span, code!(#path));
    let arguments = group(Delimiter::Parenthesis, span, code!(#function, #cx, #output));
    let undoing = at(span, code!(#rules::undoing #arguments));
    let undoing = if undoes_by_key(step) {
        code!(Self::by_key(#cx))
    } else {
        undoing
    };
    let future = future(
        &private,
        span,
        &code!(::core::result::Result<(), #private::String>),
    );
    code! {
        #[inline]
        fn compensate<'cx, 'step>(
            #cx: #runtime::Context<'cx, Self::Services>,
            #output: &'step Self::Output,
        ) -> #future {
            #undoing
        }
    }
}

fn undoes_by_key(step: &Step<'_>) -> bool {
    matches!(step.policies.resolver, Some(Resolver::Compensation))
}

/// The call of a compensation that is the resolver, too: in a function of its own, so that rustc reports its mistakes once.
//
// Expands to:
//
//     impl __charge::charge {
//         fn by_key<'cx>(cx: Context<'cx, Shop>) -> impl Future<…> + Send + use<'cx> {
//             undoing_by_key({ refund }, cx)
//         }
//     }
fn by_key(step: &Step<'_>) -> TokenStream {
    let Kind::Compensatable(path) = &step.kind else {
        return TokenStream::new();
    };
    if !undoes_by_key(step) {
        return TokenStream::new();
    }
    let Step {
        runtime,
        conditions,
        ..
    } = step;
    let (private, rules, marker) = (runtime.private(), runtime.rules(), marker(step));
    let span = name_of(path);
    let cx = Ident::new("__cx", span);
    let function = group(Delimiter::Brace, span, code!(#path));
    let arguments = group(Delimiter::Parenthesis, span, code!(#function, #cx));
    let undoing = at(span, code!(#rules::undoing_by_key #arguments));
    let output = code!(::core::result::Result<(), #private::String>);
    let future = future(&private, span, &output);
    code! {
        #(#conditions)*
        #[allow(clippy::all, clippy::pedantic)]
        impl #marker {
            #[inline]
            fn by_key<'cx>(
                #cx: #runtime::Context<'cx, <Self as #private::Step>::Services>,
            ) -> #future + use<'cx> {
                #undoing
            }
        }
    }
}

fn resolve(step: &Step<'_>) -> TokenStream {
    let (path, by_key) = match (&step.policies.resolver, &step.kind) {
        (Some(Resolver::Path(path)), _) => (path, false),
        (Some(Resolver::Compensation), Kind::Compensatable(path)) => (path, true),
        _ => return TokenStream::new(),
    };
    let Step { runtime, .. } = step;
    let (private, rules) = (runtime.private(), runtime.rules());
    let span = name_of(path);
    let cx = Ident::new("__cx", span);
    let arguments: Vec<_> = (0..step.inputs.len())
        .map(|index| format_ident!("__input{index}", span = span))
        .collect();
    let call = at(span, code!((#cx, #(#arguments),*)));
    let resolving = at(span, code!(#rules::resolving));
    let future = future(
        &private,
        span,
        &code!(::core::result::Result<(), #private::String>),
    );
    if by_key {
        return code! {
            fn resolve<'cx, 'step>(
                #cx: #runtime::Context<'cx, Self::Services>,
                _: Self::Args<'step>,
            ) -> #future {
                Self::by_key(#cx)
            }
        };
    }
    code! {
        fn resolve<'cx, 'step>(
            #cx: #runtime::Context<'cx, Self::Services>,
            (#(#arguments,)*): Self::Args<'step>,
        ) -> #future {
            #resolving(#path #call)
        }
    }
}

fn predicates(step: &Step<'_>) -> TokenStream {
    let rules = step.runtime.rules();
    let predicate = |name: &str, predicate: &Predicate| {
        let span = place_of(predicate);
        // At the step: the user's function may have this name.
        let (name, error) = (Ident::new(name, here()), Ident::new("__error", span));
        let test = match predicate {
            Predicate::Path(path) => {
                let call = at(span, code!((#error)));
                code!(#path #call)
            }
            Predicate::Closure(closure) => code!(#rules::holds(#closure, #error)),
        };
        code! {
            fn #name(#error: &Self::Error) -> bool {
                #test
            }
        }
    };
    let transient = step
        .policies
        .transient
        .iter()
        .map(|transient| predicate("is_transient", transient));
    let in_doubt = match (&step.policies.in_doubt, &step.policies.transient) {
        (Some(in_doubt), _) => predicate("is_in_doubt", in_doubt),
        // An error that the author calls transient is no answer.
        (None, Some(transient)) => {
            let span = place_of(transient);
            let error = Ident::new("__error", span);
            code! {
                fn is_in_doubt(#error: &Self::Error) -> bool {
                    Self::is_transient(#error)
                }
            }
        }
        (None, None) => TokenStream::new(),
    };
    code!(#(#transient)* #in_doubt)
}

fn place_of(predicate: &Predicate) -> Span {
    match predicate {
        Predicate::Path(path) => name_of(path),
        Predicate::Closure(closure) => first_token(closure),
    }
}

/// The place of the name of a function, without the path before it.
fn name_of(path: &Path) -> Span {
    path.segments
        .last()
        .map_or_else(|| path.span(), |last| last.ident.span())
}
