//! The expansions of the programs in the folder `golden`. Each stands beside its program.
//!
//! To accept changed expansions: `make bless`, or `BLESS=1 cargo test -p saga-macros`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::{Attribute, Item, Meta};

use crate::source::Source;

/// The macros for one kind of reader.
struct Macros {
    saga: fn(&TokenStream, &Source) -> TokenStream,
    step: fn(TokenStream, TokenStream, &Source) -> TokenStream,
}

const FOR_RUSTC: Macros = Macros {
    saga: crate::saga::expand,
    step: crate::step::expand,
};

const FOR_AN_EDITOR: Macros = Macros {
    saga: crate::editor::saga,
    step: crate::editor::step,
};

/// Expands the one macro call in a program.
fn expand(program: &str, macros: &Macros) -> String {
    let file = syn::parse_file(program).expect("a program of the folder is Rust");
    let expansion = match file.items.into_iter().next() {
        Some(Item::Macro(call)) => (macros.saga)(&call.mac.tokens, &Source::default()),
        Some(Item::Fn(mut function)) => {
            let is_step = |attribute: &Attribute| attribute.path().is_ident("step");
            let step = function.attrs.iter().position(is_step);
            let step = function
                .attrs
                .remove(step.expect("the function has a `#[step]`"));
            let options = match step.meta {
                Meta::List(list) => list.tokens,
                _ => TokenStream::new(),
            };
            (macros.step)(options, quote::quote!(#function), &Source::default())
        }
        _ => panic!("a program of the folder is one macro call"),
    };
    let expansion = syn::parse2(readable(expansion)).expect("an expansion is Rust");
    prettyplease::unparse(&expansion)
}

/// Shows `pin!(…)` as a call: prettyplease does not format the arguments of macros.
fn readable(tokens: TokenStream) -> TokenStream {
    let mut readable: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let after_pin = matches!(readable.last(), Some(TokenTree::Ident(word)) if word == "pin");
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '!' && after_pin => {}
            TokenTree::Group(group) => {
                let inside = Group::new(group.delimiter(), self::readable(group.stream()));
                readable.push(inside.into());
            }
            token => readable.push(token),
        }
    }
    readable.into_iter().collect()
}

fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(folder);
    let mut programs: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension() == Some(OsStr::new("rs")))
        .collect();
    programs.sort();
    programs
}

#[track_caller]
fn compare(folder: &str, macros: &Macros) {
    let accept = env::var_os("BLESS").is_some();
    for program in programs(folder) {
        let text = fs::read_to_string(&program).expect("a program can be read");
        let expanded = program.with_extension("expanded");
        let actual = expand(&text, macros);
        if accept {
            fs::write(&expanded, actual).expect("an expansion can be written");
            continue;
        }
        let expected = fs::read_to_string(&expanded).unwrap_or_default();
        if let Some((line, (was, is))) = first_difference(&expected, &actual) {
            panic!(
                "{} has another expansion from line {line} on\n  was: {was}\n   is: {is}\n\
                 accept it with `make bless`",
                program.display()
            );
        }
    }
}

/// The first line that differs, counted from one.
fn first_difference<'a>(one: &'a str, other: &'a str) -> Option<(usize, (&'a str, &'a str))> {
    let ends = std::iter::repeat("");
    let lines = one.lines().count().max(other.lines().count());
    let pairs = one
        .lines()
        .chain(ends.clone())
        .zip(other.lines().chain(ends));
    (1..)
        .zip(pairs)
        .take(lines)
        .find(|(_, (one, other))| one != other)
}

#[test]
fn sagas() {
    compare("saga", &FOR_RUSTC);
}

#[test]
fn steps() {
    compare("step", &FOR_RUSTC);
}

#[test]
fn in_an_editor() {
    compare("editor", &FOR_AN_EDITOR);
}
