//! The code of a checked step: the function that sagas call, and the step's type.

mod implementation;
mod meta;

use proc_macro2::{Delimiter, Ident, TokenStream};
use syn::{FnArg, Pat, Path, Token};

use super::model::{Kind, Step};
use crate::signature::lifetimes::with_lifetime;
use crate::spans::{at, code, generate, group, here, literal};

// Expands to:
//
//     /// Takes the money.
//     pub fn charge<'run, 'step>(cx: Context<'run, Shop>, order: &'step Order) -> Call<'run, 'step, charge> {
//         call(cx, (order,))
//     }
//     pub enum charge {}
//     impl Step for charge { … }
//
// The type has the function's name, so that the messages of rustc say `charge`. Functions and types have namespaces of
// their own, and a `use` brings both.
pub(super) fn expand(step: &Step<'_>) -> TokenStream {
    generate(step.signature.ident.span(), || all(step))
}

fn all(step: &Step<'_>) -> TokenStream {
    let function = function(step);
    let implementation = implementation::expand(step);
    let Step {
        conditions,
        visibility,
        ..
    } = step;
    let marker = marker(step);
    let span = marker.span();
    let attributes = at(
        span,
        code! {
            #[doc(hidden)]
            #[allow(
                non_camel_case_types, missing_copy_implementations, missing_debug_implementations, unreachable_pub, dead_code,
                clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction
            )]
        },
    );
    let definition = at(span, code!(enum #marker {}));
    code! {
        #function

        #(#conditions)*
        #attributes
        #visibility #definition

        #implementation
    }
}

/// The step's type.
pub(super) fn marker(step: &Step<'_>) -> Ident {
    step.signature.ident.clone()
}

/// The function that sagas and tests call. It makes a `Call` and runs nothing.
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
    let cx = cx(step);
    let context = with_lifetime(&step.context, "'run");
    let names: Vec<_> = step.inputs.iter().map(|input| &input.name).collect();
    let types = step
        .inputs
        .iter()
        .map(|input| with_lifetime(&input.ty, "'step"));
    let note = literal(note(step));
    // Rustc shows this place as the definition, and the name alone is of use there.
    let span = name.span();
    let attributes = at(
        span,
        code!(#[doc = #note] #[inline] #[allow(clippy::used_underscore_binding, clippy::elidable_lifetime_names)]),
    );
    let keyword = Token![fn](span);
    let body = group(
        Delimiter::Brace,
        span,
        code!(#private::call(#cx, (#(#names,)*))),
    );
    code! {
        #(#conditions)*
        #(#outer)*
        #attributes
        #visibility #keyword #name<'run, 'step>(#cx: #context, #(#names: #types),*) -> #private::Call<'run, 'step, #marker> #body
    }
}

/// The name of the context that callers see in the signature.
fn cx(step: &Step<'_>) -> Ident {
    match step.signature.inputs.first() {
        Some(FnArg::Typed(first)) => match &*first.pat {
            Pat::Ident(name) if name.subpat.is_none() => name.ident.clone(),
            _ => Ident::new("__cx", here()),
        },
        _ => Ident::new("__cx", here()),
    }
}

/// The paragraph about the step in the documentation of the function.
fn note(step: &Step<'_>) -> String {
    let undone = match &step.kind {
        Kind::Compensatable(path) => format!("compensated by `{}`", text(path)),
        Kind::NothingToUndo => "there is nothing to undo".to_owned(),
        Kind::Pivot => "a pivot: once it has succeeded, the saga only goes forward".to_owned(),
        Kind::Retriable => "retriable: it is retried until it succeeds".to_owned(),
    };
    format!("\n\n*Step `{}`: {undone}.*", step.name)
}

/// A path as text, as in the source.
pub(super) fn text(path: &Path) -> String {
    code!(#path).to_string().replace(' ', "")
}
