//! Both macros on arbitrary tokens: they never panic, and without an error of theirs they make Rust.
//!
//! The tokens are those of the programs in `golden` and `tests/diagnostics`, changed at random. `fuzz/README.md` says how the same
//! functions run under libFuzzer.

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::panic::catch_unwind;
use std::path::Path;
use std::str::FromStr;
use std::{env, fs};

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::source::Source;

/// Runs `saga!` on these tokens.
pub(crate) fn saga(tokens: &TokenStream) {
    is_rust_or_an_error(crate::saga::expand(tokens, &Source::default()));
}

/// Runs `#[step(…)]` with these options on these tokens.
pub(crate) fn step(options: &TokenStream, function: &TokenStream) {
    let expansion = crate::step::expand(options.clone(), function.clone(), &Source::default());
    // A body stays as it is: of one that is no Rust, the compiler speaks.
    if syn::parse2::<syn::ItemFn>(function.clone()).is_ok() {
        is_rust_or_an_error(expansion);
    }
}

/// Runs `#[step(…)]` on a text: the options, `//`, the function.
pub(crate) fn step_in(text: &str) {
    let (options, function) = text.split_once("//").unwrap_or((text, CHARGE));
    let tokens = (
        TokenStream::from_str(options),
        TokenStream::from_str(function),
    );
    if let (Ok(options), Ok(function)) = tokens {
        step(&options, &function);
    }
}

const CHARGE: &str = "async fn charge(cx: Context<'_, Shop>) -> Result<u8, u8> { Ok(1) }";

fn is_rust_or_an_error(expansion: TokenStream) {
    if !has_error(&expansion) {
        let text = expansion.to_string();
        let parsed = syn::parse2::<syn::File>(expansion);
        parsed.unwrap_or_else(|error| panic!("no Rust, and no error: {error}\n{text}"));
    }
}

fn has_error(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "compile_error",
        TokenTree::Group(group) => has_error(&group.stream()),
        _ => false,
    })
}

/// Random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap_or_default()
    }
}

/// The calls of both macros in the programs of the tests.
#[derive(Default)]
struct Corpus {
    sagas: Vec<TokenStream>,
    /// The options, and the function.
    steps: Vec<(TokenStream, TokenStream)>,
    /// All tokens of all programs, for changes.
    pool: Vec<TokenTree>,
    /// Tokens that matter, and that few programs have.
    rare: Vec<TokenTree>,
}

/// Tokens that matter, and that few programs have.
const RARE: &str = "? ! & && | || .. ..= => -> :: ; , . # = == async await for while loop match if else let return break continue \
    try_join try_join_all sleep event self Self super crate dyn impl unsafe mut ref move static const fn struct 0 1u64 1.5e9 'a' \"3s\" \"\" \
    \"9999999999999999999d\" \"1s..\" \"0ms\" b\"x\" r#type '_ 'a cx Context Ok Err Some None () {} [] (,) retry attempts backoff when timeout \
    compensate compensation pivot retriable in_doubt resolve name version deadline saga step compensatable";

impl Corpus {
    fn read() -> Self {
        let mut corpus = Self::default();
        let rare = TokenStream::from_str(RARE).expect("they are tokens");
        corpus.rare.extend(rare);
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        corpus.folder(&package.join("golden"));
        // A package has no such folder.
        corpus.folder(&package.join("../tests/diagnostics"));
        corpus
    }

    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.folder(&path);
            } else if path.extension() == Some(OsStr::new("rs"))
                && let Ok(text) = fs::read_to_string(&path)
                && let Ok(tokens) = TokenStream::from_str(&text)
            {
                self.program(&tokens);
            }
        }
    }

    fn program(&mut self, tokens: &TokenStream) {
        let tokens: Vec<_> = tokens.clone().into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else {
                self.pool.push(token.clone());
                continue;
            };
            let word = |back: usize| index.checked_sub(back).map(|at| tokens[at].to_string());
            let inside: Vec<_> = group.stream().into_iter().collect();
            let is_step = inside
                .first()
                .is_some_and(|first| first.to_string() == "step");
            if word(2).as_deref() == Some("saga") && word(1).as_deref() == Some("!") {
                self.sagas.push(group.stream());
            } else if is_step && word(1).as_deref() == Some("#") {
                let options = match inside.get(1) {
                    Some(TokenTree::Group(options)) => options.stream(),
                    _ => TokenStream::new(),
                };
                let rest = &tokens[index + 1..];
                let is_body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                let end = rest
                    .iter()
                    .position(is_body)
                    .map_or(rest.len(), |at| at + 1);
                let function = rest[..end].iter().cloned().collect();
                self.steps.push((options, function));
            }
            self.program(&group.stream());
        }
    }

    /// Changes these tokens in some places.
    fn changed(&self, tokens: &TokenStream, dice: &mut Dice) -> TokenStream {
        let mut changed = tokens.clone();
        for _ in 0..=dice.below(4) {
            changed = self.changed_once(changed, dice);
        }
        changed
    }

    fn changed_once(&self, tokens: TokenStream, dice: &mut Dice) -> TokenStream {
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        let at = dice.below(tokens.len());
        let inside = match tokens.get(at) {
            // Most tokens of a program stand in groups.
            Some(TokenTree::Group(group)) if dice.below(8) != 0 => Some(group.clone()),
            _ => None,
        };
        if let Some(group) = inside {
            let stream = self.changed_once(group.stream(), dice);
            tokens[at] = Group::new(group.delimiter(), stream).into();
            return tokens.into_iter().collect();
        }
        let others = [&self.pool, &self.rare][dice.below(2)];
        let other = others[dice.below(others.len())].clone();
        let end = (at + 1 + dice.below(4)).min(tokens.len());
        let is_literal = matches!(tokens.get(at), Some(TokenTree::Literal(_)));
        match dice.below(9) {
            // Durations and numbers are read by rules of their own.
            _ if is_literal && dice.below(2) == 0 => {
                let literals = self
                    .rare
                    .iter()
                    .filter(|token| matches!(token, TokenTree::Literal(_)));
                let literals: Vec<_> = literals.collect();
                tokens[at] = literals[dice.below(literals.len())].clone();
            }
            0 if at < tokens.len() => drop(tokens.drain(at..end)),
            1 if at < tokens.len() => {
                let again: Vec<_> = tokens[at..end].to_vec();
                tokens.splice(at..at, again);
            }
            2 if at < tokens.len() => tokens[at] = other,
            3 if at < tokens.len() => {
                let swapped = dice.below(tokens.len());
                tokens.swap(at, swapped);
            }
            4 if at < tokens.len() => {
                let delimiters = [
                    Delimiter::Brace,
                    Delimiter::Bracket,
                    Delimiter::Parenthesis,
                    Delimiter::None,
                ];
                let delimiter = delimiters[dice.below(4)];
                let within = tokens.drain(at..end).collect();
                tokens.insert(at, Group::new(delimiter, within).into());
            }
            5 if matches!(tokens.get(at), Some(TokenTree::Group(_))) => {
                if let TokenTree::Group(group) = tokens.remove(at) {
                    tokens.splice(at..at, group.stream());
                }
            }
            6 => tokens.insert(at, Punct::new('\'', Spacing::Joint).into()),
            7 => {
                let word = Ident::new_raw("fn", Span::call_site());
                tokens.insert(at, word.into());
            }
            8 => tokens.insert(at, Literal::u128_unsuffixed(u128::MAX).into()),
            _ => tokens.insert(at, other),
        }
        tokens.into_iter().collect()
    }
}

/// Runs it, and says which tokens it was.
fn is_fine(what: &str, run: impl FnOnce() + std::panic::UnwindSafe) {
    assert!(catch_unwind(run).is_ok(), "{what}");
}

/// The texts in the files of a folder, if it is there.
fn texts(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .collect()
}

const SEED: &str = "SAGA_TEST_SEED";

#[test]
fn neither_macro_panics_whatever_it_is_given() {
    let seed = env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(()));
    let rounds = env::var("MACRO_CASES")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    println!("{SEED}={seed}");
    let corpus = Corpus::read();
    let counts = (corpus.sagas.len(), corpus.steps.len());
    assert!(counts.0 >= 4 && counts.1 >= 2, "{counts:?}");
    for tokens in &corpus.sagas {
        is_fine(&tokens.to_string(), || saga(tokens));
    }
    for (options, function) in &corpus.steps {
        is_fine(&format!("{options} {function}"), || step(options, function));
    }
    // What libFuzzer has begun with, and has found.
    let fuzzed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for text in texts(&fuzzed.join("saga")) {
        if let Ok(tokens) = TokenStream::from_str(&text) {
            is_fine(&text, || saga(&tokens));
        }
    }
    for text in texts(&fuzzed.join("step")) {
        is_fine(&text, || step_in(&text));
    }
    let mut dice = Dice(seed);
    for _ in 0..rounds.unwrap_or(4_000) {
        let one = &corpus.sagas[dice.below(corpus.sagas.len())];
        let one = corpus.changed(one, &mut dice);
        is_fine(&format!("{SEED}={seed}: saga!({one})"), || saga(&one));
        let (options, function) = &corpus.steps[dice.below(corpus.steps.len())];
        let options = corpus.changed(options, &mut dice);
        let function = match dice.below(3) {
            0 => corpus.changed(function, &mut dice),
            _ => function.clone(),
        };
        let what = format!("{SEED}={seed}: #[step({options})] {function}");
        is_fine(&what, || step(&options, &function));
    }
}
