//! Both macros as rust-analyzer expands them: a token that the source does not have is no place of the source.
//!
//! An editor takes each token of an expansion with the place of a word for that word: to go to the definition of `charge`
//! would lead to each function that generated code calls there. Rustc needs the places for its messages; the editor has
//! those from `cargo check`, so a mistake is there once. `saga-runtime` exports these macros `#[cfg(rust_analyzer)]`.

use std::collections::HashSet;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};

use crate::source::Source;

pub(crate) fn step(options: TokenStream, function: TokenStream, source: &Source) -> TokenStream {
    let mut words = Words::default();
    words.add(&options);
    words.add(&function);
    let outline = outline(&options);
    let expanded = crate::step::in_an_editor(options, function, source);
    [outline, words.alone(expanded)].into_iter().collect()
}

pub(crate) fn saga(function: &TokenStream, source: &Source) -> TokenStream {
    let mut words = Words::default();
    words.add(function);
    if let Some(name) = crate::saga::struct_name(function) {
        words.add_word(&name);
    }
    words.alone(crate::saga::in_an_editor(function, source))
}

// Expands to, for `#[step(compensate = refund, retry(when = PaymentError::is_transient))]`:
//
//     const _: () = {
//         use options::*;
//         let _ = compensate;
//         let _ = retry;
//         {
//             use options::in_retry::*;
//             let _ = when;
//         }
//     };
//     const _: () = {
//         let _ = refund;
//         let _ = PaymentError::is_transient;
//     };
//
// Unfinished keys and paths are there too. They come before the documentation, which is longer with a word at the cursor.
fn outline(options: &TokenStream) -> TokenStream {
    let all = read(options);
    let private = runtime(&all);
    let module = quote_spanned!(Span::mixed_site()=> #private::__private::editor::options);
    let keys = keys(&all, &module);
    let mut paths = Vec::new();
    collect_paths(&all, &mut paths);
    quote! {
        const _: () = { #keys };
        const _: () = { #(let _ = #paths;)* };
    }
}

/// One option, perhaps unfinished.
struct OptionWords {
    key: Ident,
    value: Vec<TokenTree>,
    inner: Vec<OptionWords>,
}

fn read(options: &TokenStream) -> Vec<OptionWords> {
    let tokens: Vec<_> = options.clone().into_iter().collect();
    let options = tokens.split(|token| is(token, ','));
    let option = |tokens: &[TokenTree]| match tokens {
        [TokenTree::Ident(key), TokenTree::Group(group)] => Some(OptionWords {
            key: key.clone(),
            value: Vec::new(),
            inner: read(&group.stream()),
        }),
        [TokenTree::Ident(key), rest @ ..] => Some(OptionWords {
            key: key.clone(),
            value: rest.iter().skip(1).cloned().collect(),
            inner: Vec::new(),
        }),
        _ => None,
    };
    options.filter_map(option).collect()
}

fn is(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn runtime(options: &[OptionWords]) -> TokenStream {
    let named = options.iter().find(|option| option.key == "crate");
    named.map_or_else(
        || quote_spanned!(Span::mixed_site()=> ::saga_runtime),
        |option| option.value.iter().cloned().collect(),
    )
}

/// The keys as names of constants, which have the documentation of the options.
fn keys(options: &[OptionWords], module: &TokenStream) -> TokenStream {
    let options = options.iter().filter(|option| option.key != "crate");
    let keys = options.map(|OptionWords { key, inner, .. }| {
        let inner = (!inner.is_empty()).then(|| {
            let module_of = format_ident!("in_{key}", span = Span::mixed_site());
            let inside = keys(inner, &quote!(#module::#module_of));
            quote!({ #inside })
        });
        quote!(let _ = #key; #inner)
    });
    quote!(use #module::*; #(#keys)*)
}

fn collect_paths(options: &[OptionWords], paths: &mut Vec<TokenStream>) {
    for OptionWords { key, value, inner } in options {
        collect_paths(inner, paths);
        let of_path = |token: &TokenTree| matches!(token, TokenTree::Ident(_)) || is(token, ':');
        if key != "crate" && !value.is_empty() && value.iter().all(of_path) {
            paths.push(value.iter().cloned().collect());
        }
    }
}

/// The words of the source, each with its place.
#[derive(Default)]
struct Words(HashSet<(String, String)>);

impl Words {
    fn add(&mut self, tokens: &TokenStream) {
        for token in tokens.clone() {
            match token {
                TokenTree::Ident(word) => self.add_word(&word),
                TokenTree::Group(group) => self.add(&group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn add_word(&mut self, word: &Ident) {
        self.0.insert(key(word));
    }

    /// The same code. A word that is not of the source gets the place of the macro's call.
    fn alone(&self, code: TokenStream) -> TokenStream {
        let alone = |token| match token {
            TokenTree::Ident(mut word) => {
                if !self.0.contains(&key(&word)) {
                    word.set_span(Span::mixed_site());
                }
                word.into()
            }
            TokenTree::Group(group) => {
                let mut same = Group::new(group.delimiter(), self.alone(group.stream()));
                same.set_span(group.span());
                same.into()
            }
            token => token,
        };
        code.into_iter().map(alone).collect()
    }
}

/// A span has no equality, but a text that tells places apart.
fn key(word: &Ident) -> (String, String) {
    (word.to_string(), format!("{:?}", word.span()))
}
