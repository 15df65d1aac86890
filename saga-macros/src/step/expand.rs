//! From a checked step to code: the function that is called, the step's type, and how an engine runs it.

use proc_macro2::{Delimiter, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Ident, Lifetime, Path, Token, Type};

use super::model::{Kind, Retry, Step};
use crate::duration;
use crate::spans::{at, group};

// Expands to:
//
//     /// Takes the money.
//     pub fn charge<'run, 'step>(cx: Context<'run, Shop>, order: &'step Order) -> Call<'run, 'step, charge> {
//         call(cx, (order,))
//     }
//     pub enum charge {}
//     impl Step for charge { … }
//
// The type has the function's name, so that messages of the compiler speak of `charge`; functions and types don't
// share their names, and a `use` brings both.
pub(super) fn expand(step: &Step<'_>) -> TokenStream {
    let function = function(step);
    let implementation = implementation(step);
    let Step {
        conditions,
        visibility,
        ..
    } = step;
    let marker = marker(step);
    let span = marker.span();
    let attributes = at(
        span,
        quote! {
            #[doc(hidden)]
            #[allow(
                non_camel_case_types, missing_copy_implementations, missing_debug_implementations, dead_code,
                clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction
            )]
        },
    );
    let definition = at(span, quote!(enum #marker {}));
    quote! {
        #function

        #(#conditions)*
        #attributes
        #visibility #definition

        #implementation
    }
}

fn marker(step: &Step<'_>) -> Ident {
    step.signature.ident.clone()
}

/// Where generated code is reported if it is wrong: at the function's name.
fn span(step: &Step<'_>) -> Span {
    Span::mixed_site().located_at(step.signature.ident.span())
}

/// The function that sagas and tests call: it makes a `Call`, nothing runs.
fn function(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        outer,
        conditions,
        visibility,
        signature,
        ..
    } = step;
    let (name, marker) = (&signature.ident, marker(step));
    let private = runtime.private();
    let cx = Ident::new("cx", self::span(step));
    let context = with_lifetime(&step.context, "'run");
    let names: Vec<_> = step.inputs.iter().map(|input| &input.name).collect();
    let types = step
        .inputs
        .iter()
        .map(|input| with_lifetime(&input.ty, "'step"));
    let note = note(step);
    // The compiler shows where it is defined, and there is nothing to see but its name.
    let span = name.span();
    let attributes = at(
        span,
        quote!(#[doc = #note] #[inline] #[allow(clippy::used_underscore_binding)]),
    );
    let keyword = Token![fn](span);
    let body = group(
        Delimiter::Brace,
        span,
        quote!(#private::call(#cx, (#(#names,)*))),
    );
    quote! {
        #(#conditions)*
        #(#outer)*
        #attributes
        #visibility #keyword #name<'run, 'step>(#cx: #context, #(#names: #types),*) -> #runtime::Call<'run, 'step, #marker> #body
    }
}

/// What the documentation of the function says about the step.
fn note(step: &Step<'_>) -> String {
    let undone = match &step.kind {
        Kind::Compensatable(path) => format!("compensated by `{}`", text(path)),
        Kind::NothingToUndo => "there is nothing to undo".to_owned(),
        Kind::Pivot => "a pivot: once it has succeeded, the saga only goes forward".to_owned(),
        Kind::Retriable => "retriable: it is retried until it succeeds".to_owned(),
    };
    format!("\n\n*Step `{}`: {undone}.*", step.name)
}

fn text(path: &Path) -> String {
    quote!(#path).to_string().replace(' ', "")
}

fn implementation(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        conditions,
        signature,
        ..
    } = step;
    let (private, rules) = (runtime.private(), runtime.rules());
    let marker = marker(step);
    let meta = meta(step);
    let kind = match &step.kind {
        Kind::Compensatable(_) => quote!(Compensatable),
        Kind::NothingToUndo => quote!(NothingToUndo),
        Kind::Pivot => quote!(Pivot),
        Kind::Retriable => quote!(Retriable),
    };
    let context = with_lifetime(&step.context, "'static");
    let inputs: Vec<_> = step
        .inputs
        .iter()
        .map(|input| with_lifetime(&input.ty, "'step"))
        .collect();
    let arguments = quote_spanned!(signature.paren_token.span.join()=> (#(#inputs,)*));
    let returned = step.returned;
    let (output, error) = (
        projection(&rules, returned, "Output"),
        projection(&rules, returned, "Error"),
    );
    let run = run(step);
    let compensate = compensate(step);
    let resolve = resolve(step);
    let predicates = predicates(step);
    // An item stands where its first token stands, and that is the attribute.
    let attributes = at(
        marker.span(),
        quote!(#[automatically_derived] #[allow(unused_braces, clippy::all, clippy::pedantic)]),
    );
    let keyword = Token![impl](marker.span());
    let items = group(
        Delimiter::Brace,
        marker.span(),
        quote! {
            const META: #runtime::StepMeta = #meta;
            type Kind = #private::#kind;
            type Services = <#context as #rules::IsContext>::Services;
            type Args<'step> = #arguments;
            type Output = #output;
            type Error = #error;
            #run
            #compensate
            #resolve
            #predicates
        },
    );
    quote! {
        #(#conditions)*
        #attributes
        #keyword #runtime::Step for #marker #items
    }
}

/// `<Result<…> as IsResult>::Output`, all of it at the place of the return type.
fn projection(rules: &TokenStream, returned: &Type, name: &str) -> TokenStream {
    let span = returned.span();
    let name = Ident::new(name, span);
    let (open, close) = (
        at(span, quote!(<)),
        at(span, quote!(as #rules::IsResult>::#name)),
    );
    quote!(#open #returned #close)
}

fn meta(step: &Step<'_>) -> TokenStream {
    let Step {
        runtime,
        name,
        policies,
        ..
    } = step;
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
        #runtime::StepMeta::new(#name, #runtime::Kind::#kind)
            #compensation #resolver #timeout #retry #compensation_timeout #compensation_retry
    }
}

fn retry_policy(step: &Step<'_>, retry: Retry, default: &TokenStream) -> TokenStream {
    let runtime = &step.runtime;
    let policy = retry.attempts.map_or_else(
        || quote!(#runtime::RetryPolicy::#default),
        |attempts| quote!(#runtime::RetryPolicy::attempts(#attempts)),
    );
    let backoff = retry.backoff.map(|(first, longest)| {
        let (first, longest) = (duration::tokens(first), duration::tokens(longest));
        quote!(.backoff(#first, #longest))
    });
    quote!(#policy #backoff)
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
    let future = future(
        name.span(),
        &quote!(::core::result::Result<Self::Output, Self::Error>),
    );
    quote! {
        #[inline]
        fn run<'cx, 'step>(
            cx: #runtime::Context<'cx, Self::Services>,
            (#(#arguments,)*): Self::Args<'step>,
        ) -> #future {
            #[allow(clippy::needless_pass_by_value, clippy::unused_async)]
            #(#inner)*
            #signature #body
            #name(cx, #(#arguments),*)
        }
    }
}

/// `impl Future<Output = …> + Send`: if it is not `Send`, it is reported at `span`.
fn future(span: Span, output: &TokenStream) -> TokenStream {
    quote_spanned!(span=> impl ::core::future::Future<Output = #output> + ::core::marker::Send)
}

fn numbered(step: &Step<'_>) -> Vec<Ident> {
    (0..step.inputs.len())
        .map(|index| Ident::new(&format!("input{index}"), span(step)))
        .collect()
}

/// The call of the compensation stands at its path, and so does what is wrong with it.
fn compensate(step: &Step<'_>) -> TokenStream {
    let Kind::Compensatable(path) = &step.kind else {
        return TokenStream::new();
    };
    let Step { runtime, .. } = step;
    let (private, rules) = (runtime.private(), runtime.rules());
    let span = path.span();
    let (cx, output) = (Ident::new("cx", span), Ident::new("output", span));
    let undoing = at(span, quote!(#rules::undoing));
    // In a block, so that the compiler does not suggest to wrap it in a closure.
    let function = group(Delimiter::Brace, span, quote!(#path));
    let arguments = group(
        Delimiter::Parenthesis,
        span,
        quote!(#function, #cx, #output),
    );
    let future = future(span, &quote!(::core::result::Result<(), #private::String>));
    quote! {
        #[inline]
        fn compensate<'cx, 'step>(
            #cx: #runtime::Context<'cx, Self::Services>,
            #output: &'step Self::Output,
        ) -> #future {
            #undoing #arguments
        }
    }
}

fn resolve(step: &Step<'_>) -> TokenStream {
    let Some(path) = &step.policies.resolver else {
        return TokenStream::new();
    };
    let Step { runtime, .. } = step;
    let (private, rules) = (runtime.private(), runtime.rules());
    let span = path.span();
    let cx = Ident::new("cx", span);
    let arguments: Vec<_> = (0..step.inputs.len())
        .map(|index| Ident::new(&format!("input{index}"), span))
        .collect();
    let call = at(span, quote!((#cx, #(#arguments),*)));
    let resolving = at(span, quote!(#rules::resolving));
    let future = future(span, &quote!(::core::result::Result<(), #private::String>));
    quote! {
        fn resolve<'cx, 'step>(
            #cx: #runtime::Context<'cx, Self::Services>,
            (#(#arguments,)*): Self::Args<'step>,
        ) -> #future {
            #resolving(#path #call)
        }
    }
}

fn predicates(step: &Step<'_>) -> TokenStream {
    let predicate = |name: &str, path: &Path| {
        let span = path.span();
        let name = Ident::new(name, span);
        let error = Ident::new("error", span);
        let call = at(span, quote!((#error)));
        quote! {
            fn #name(#error: &Self::Error) -> bool {
                #path #call
            }
        }
    };
    let transient = step
        .policies
        .transient
        .iter()
        .map(|path| predicate("is_transient", path));
    let in_doubt = step
        .policies
        .in_doubt
        .iter()
        .map(|path| predicate("is_in_doubt", path));
    transient.chain(in_doubt).collect()
}

/// The type with every lifetime that was left out called `name`.
pub(crate) fn with_lifetime(ty: &Type, name: &str) -> Type {
    let mut ty = ty.clone();
    Named(name).visit_type_mut(&mut ty);
    ty
}

struct Named<'a>(&'a str);

impl Named<'_> {
    fn at(&self, span: Span) -> Lifetime {
        Lifetime::new(self.0, Span::call_site().located_at(span))
    }
}

impl VisitMut for Named<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.at(reference.and_token.span));
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.at(lifetime.span());
        }
    }

    // What a function takes is not what the step borrows.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        _: &mut syn::ParenthesizedGenericArguments,
    ) {
    }
}
