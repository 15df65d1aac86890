//! The file around a macro's call: a few mistakes do not show in the tokens that the macro gets.

mod macro_code;

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr as _;
use std::{env, fs};

use proc_macro::Span;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

pub(crate) use macro_code::called;

/// The file with the call, which is read when a question needs it. There is none in an editor.
#[derive(Default)]
pub(crate) struct Source {
    path: Option<PathBuf>,
    /// False at the start of a line, as rustfmt sets a call that nothing is around.
    is_indented: bool,
    text: OnceCell<Option<Rc<str>>>,
}

thread_local! {
    /// The last file: one file has many steps and sagas.
    static LAST: RefCell<Option<(PathBuf, Rc<str>)>> = const { RefCell::new(None) };
}

impl Source {
    /// The file around a call of a macro.
    pub(crate) fn around(call: Span) -> Self {
        Self {
            path: call.local_file(),
            is_indented: call.column() > 1,
            text: OnceCell::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn from_text(text: &str) -> Self {
        Self {
            path: None,
            is_indented: true,
            text: OnceCell::from(Some(Rc::from(text))),
        }
    }

    fn text(&self) -> Option<&str> {
        let text = self
            .text
            .get_or_init(|| self.path.as_deref().and_then(read_once));
        text.as_deref()
    }

    /// `impl` or `trait`, if the function stands in one, with `#[step]` or in a `saga!`.
    pub(crate) fn owner_of(&self, function: &Ident) -> Option<&'static str> {
        if !self.is_indented {
            return None;
        }
        let text = self.text()?;
        if !text.contains("impl") && !text.contains("trait") {
            return None;
        }
        owner(&tokens(text)?, function)
    }

    /// Returns whether the file defines a macro of this name whose code awaits something.
    pub(crate) fn awaits_in_macro(&self, name: &Ident) -> bool {
        let Some(text) = self.text() else {
            return false;
        };
        let may_be_there = text.contains(&format!("macro_rules! {name}"));
        may_be_there && tokens(text).is_some_and(|tokens| awaits_in_macro(&tokens, name))
    }

    /// Returns whether another type with the name of the saga's struct stands beside it.
    pub(crate) fn has_type_beside(&self, saga: &Ident, name: &Ident) -> bool {
        let Some(text) = self.text() else {
            return false;
        };
        let is_defined = TYPES.iter().any(|word| {
            let definition = format!("{word} {name}");
            text.match_indices(&definition).any(|(start, found)| {
                let rest = text[start + found.len()..].chars().next();
                !rest.is_some_and(|next| next == '_' || next.is_alphanumeric())
            })
        });
        let may_be_there = is_defined || may_import(text, &name.to_string());
        may_be_there && tokens(text).is_some_and(|tokens| has_type_beside(&tokens, saga, name))
    }
}

/// Returns whether the name stands behind a `use`, as far as that shows without a look at the tokens.
fn may_import(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(start, _)| {
        let before = &text[..start];
        let statement = before.rfind(';').map_or(before, |end| &before[end..]);
        statement.contains("use ")
    })
}

fn read_once(path: &Path) -> Option<Rc<str>> {
    let last = LAST.with_borrow(Clone::clone);
    if let Some((_, text)) = last.filter(|(file, _)| file == path) {
        return Some(text);
    }
    let text: Rc<str> = fs::read_to_string(path).ok()?.into();
    LAST.set(Some((path.to_owned(), Rc::clone(&text))));
    Some(text)
}

/// A step of the file: its function, and how it is undone.
pub(crate) struct KnownStep {
    pub(crate) function: String,
    pub(crate) kind: String,
}

impl Source {
    /// The steps of the file, for the documentation of its sagas. Empty outside of rustdoc, which alone shows them.
    pub(crate) fn documented_steps(&self) -> Vec<KnownStep> {
        let is_rustdoc = env::args_os()
            .next()
            .is_some_and(|program| Path::new(&program).file_stem() == Some("rustdoc".as_ref()));
        if is_rustdoc { self.steps() } else { Vec::new() }
    }

    fn steps(&self) -> Vec<KnownStep> {
        let mut steps = Vec::new();
        if let Some(tokens) = self.text().and_then(tokens) {
            collect_steps(&tokens, &mut steps);
        }
        steps
    }
}

fn collect_steps(tokens: &[TokenTree], steps: &mut Vec<KnownStep>) {
    let mut kind = None;
    for pair in tokens.windows(2) {
        match pair {
            [TokenTree::Punct(pound), TokenTree::Group(attribute)] if pound.as_char() == '#' => {
                kind = kind_of(attribute).or(kind);
            }
            [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "fn" => {
                if let Some(kind) = kind.take() {
                    let function = name.to_string();
                    steps.push(KnownStep { function, kind });
                }
            }
            [_, TokenTree::Group(group)] if group.delimiter() == Delimiter::Brace => {
                collect_steps(&inside(group), steps);
            }
            _ => {}
        }
    }
}

/// The kind that `#[step(…)]` says.
fn kind_of(attribute: &Group) -> Option<String> {
    let tokens = inside(attribute);
    let [.., path, TokenTree::Group(options)] = &tokens[..] else {
        return None;
    };
    if !is_word(path, "step") {
        return None;
    }
    let options = inside(options);
    let compensation = options
        .iter()
        .position(|token| is_word(token, "compensate"));
    if let Some(start) = compensation {
        let path = options.iter().skip(start + 2);
        let path = path
            .take_while(|token| !matches!(token, TokenTree::Punct(end) if end.as_char() == ','));
        let path: String = path.map(ToString::to_string).collect();
        return Some(match &*path {
            "()" => "nothing to undo".to_owned(),
            path => format!("undone by `{path}`"),
        });
    }
    let flags = ["pivot", "retriable"];
    let flag = flags
        .into_iter()
        .find(|flag| options.iter().any(|token| is_word(token, flag)));
    flag.map(str::to_owned)
}

const TYPES: [&str; 5] = ["struct", "enum", "type", "trait", "union"];

fn tokens(text: &str) -> Option<Vec<TokenTree>> {
    let tokens = TokenStream::from_str(text).ok()?;
    Some(tokens.into_iter().collect())
}

fn inside(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

fn owner(tokens: &[TokenTree], function: &Ident) -> Option<&'static str> {
    // The word that tells which item this is: `impl` is also a part of types.
    let mut item = None;
    for token in tokens {
        match token {
            TokenTree::Ident(word) if item.is_none() => {
                let words = [
                    "impl",
                    "trait",
                    "fn",
                    "mod",
                    "struct",
                    "enum",
                    "macro_rules",
                ];
                item = words.into_iter().find(|known| word == known);
            }
            TokenTree::Punct(end) if end.as_char() == ';' => item = None,
            TokenTree::Group(group) => {
                let content = inside(group);
                if let Some(owner) = owner(&content, function) {
                    return Some(owner);
                }
                if group.delimiter() == Delimiter::Brace {
                    let owner = item.take().filter(|word| ["impl", "trait"].contains(word));
                    if owner.is_some()
                        && (has_step(&content, function) || has_saga(&content, function))
                    {
                        return owner;
                    }
                }
            }
            _ => {}
        }
    }
    None
}

/// Returns whether `#[step(…)] async fn function` is among these tokens.
fn has_step(tokens: &[TokenTree], function: &Ident) -> bool {
    let mut is_step = false;
    for pair in tokens.windows(2) {
        match pair {
            [TokenTree::Punct(pound), TokenTree::Group(attribute)] if pound.as_char() == '#' => {
                let path = inside(attribute).into_iter();
                let path = path.take_while(|token| !matches!(token, TokenTree::Group(_)));
                is_step |= path.last().is_some_and(|last| is_word(&last, "step"));
            }
            [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "fn" => {
                if is_step && name == function {
                    return true;
                }
                is_step = false;
            }
            _ => {}
        }
    }
    false
}

/// Returns whether `saga!( async fn function … )` is among these tokens.
fn has_saga(tokens: &[TokenTree], function: &Ident) -> bool {
    tokens.windows(3).any(|call| match call {
        [
            TokenTree::Ident(name),
            TokenTree::Punct(mark),
            TokenTree::Group(group),
        ] => name == "saga" && mark.as_char() == '!' && defines(&inside(group), &["fn"], function),
        _ => false,
    })
}

fn has_type_beside(tokens: &[TokenTree], saga: &Ident, name: &Ident) -> bool {
    (defines(tokens, &TYPES, name) || imports(tokens, name)) && has_saga(tokens, saga)
        || tokens.iter().any(|token| match token {
            TokenTree::Group(group) => has_type_beside(&inside(group), saga, name),
            _ => false,
        })
}

/// Returns whether one of these words stands before the name.
fn defines(tokens: &[TokenTree], words: &[&str], name: &Ident) -> bool {
    tokens.windows(2).any(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(defined)] => {
            words.iter().any(|known| word == known) && defined == name
        }
        _ => false,
    })
}

/// Returns whether a `use` among these tokens brings the name.
fn imports(tokens: &[TokenTree], name: &Ident) -> bool {
    tokens
        .split(|token| is_punct(token, ';'))
        .filter_map(|statement| {
            let start = statement.iter().rposition(|token| is_word(token, "use"))?;
            Some(&statement[start + 1..])
        })
        // `use<…>` in a type is no import.
        .any(|paths| paths.iter().all(is_of_a_path) && brings(paths, name))
}

fn is_of_a_path(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(punct) => ":,*".contains(punct.as_char()),
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Literal(_) => false,
    }
}

/// Returns whether one of these paths, with commas between them, ends with the name.
fn brings(paths: &[TokenTree], name: &Ident) -> bool {
    paths
        .split(|token| is_punct(token, ','))
        .any(|path| match path.last() {
            Some(TokenTree::Group(group)) => brings(&inside(group), name),
            Some(TokenTree::Ident(last)) => last == name,
            _ => false,
        })
}

/// Returns whether `macro_rules! name { … .await … }` is among these tokens.
fn awaits_in_macro(tokens: &[TokenTree], name: &Ident) -> bool {
    let defines = tokens.windows(4).any(|definition| match definition {
        [
            TokenTree::Ident(word),
            TokenTree::Punct(mark),
            TokenTree::Ident(defined),
            TokenTree::Group(rules),
        ] => {
            word == "macro_rules"
                && mark.as_char() == '!'
                && defined == name
                && awaits(&inside(rules))
        }
        _ => false,
    });
    defines
        || tokens.iter().any(|token| match token {
            TokenTree::Group(group) => awaits_in_macro(&inside(group), name),
            _ => false,
        })
}

fn awaits(tokens: &[TokenTree]) -> bool {
    let is_await = |pair: &[TokenTree]| is_punct(&pair[0], '.') && is_word(&pair[1], "await");
    tokens.windows(2).any(is_await)
        || tokens.iter().any(|token| match token {
            TokenTree::Group(group) => awaits(&inside(group)),
            _ => false,
        })
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

#[cfg(test)]
mod tests {
    use syn::parse_str;

    use super::*;

    #[track_caller]
    fn assert_owner(text: &str, expected: Option<&str>) {
        let function = parse_str("quote").expect("a name");
        assert_eq!(
            Source::from_text(text).owner_of(&function),
            expected,
            "{text}"
        );
    }

    #[test]
    fn a_function_in_an_impl_is_found() {
        for (text, owner) in [
            (
                "impl Shop { #[step(pivot)] async fn quote() {} }",
                Some("impl"),
            ),
            (
                "mod a { impl<T> X for Shop<T> { #[saga_runtime::step(pivot)] pub async fn quote() {} } }",
                Some("impl"),
            ),
            (
                "trait Shop { #[step(pivot)] async fn quote(); }",
                Some("trait"),
            ),
            ("impl Shop { saga!(async fn quote() {}); }", Some("impl")),
            (
                "impl Shop { async fn quote() {} } #[step(pivot)] async fn quote() {}",
                None,
            ),
            (
                "impl Shop { fn new() { #[step(pivot)] async fn quote() {} } }",
                None,
            ),
            (
                "fn new() -> impl Copy { #[step(pivot)] async fn quote() {} }",
                None,
            ),
            (
                "mod a { #[step(pivot)] async fn quote() {} } impl Shop {}",
                None,
            ),
            (
                "impl Shop { #[step(pivot)] async fn other() {} async fn quote() {} }",
                None,
            ),
            ("impl Shop { #[step(pivot)] async fn quote() {", None),
        ] {
            assert_owner(text, owner);
        }
        assert_eq!(
            Source::default().owner_of(&parse_str("quote").expect("a name")),
            None
        );
    }

    #[test]
    fn the_steps_of_a_file_say_how_they_are_undone() {
        let text = "#[step(compensate = bank::refund, timeout = \"3s\")] pub async fn charge() {} \
                    mod a { #[saga_runtime::step(pivot)] #[doc = \"x\"] async fn ship() {} } \
                    #[step(retriable)] async fn mail() {} #[step(compensate = ())] async fn look() {} \
                    #[test] fn other() {}";
        let steps = Source::from_text(text).steps();
        let steps: Vec<_> = steps
            .iter()
            .map(|step| (&*step.function, &*step.kind))
            .collect();
        assert_eq!(
            steps,
            [
                ("charge", "undone by `bank::refund`"),
                ("ship", "pivot"),
                ("mail", "retriable"),
                ("look", "nothing to undo"),
            ]
        );
    }

    #[test]
    fn a_type_beside_a_saga_is_found() {
        let (saga, name) = (
            parse_str("order").expect("a name"),
            parse_str("Order").expect("a name"),
        );
        for (text, expected) in [
            ("struct Order; saga!(async fn order() {});", true),
            (
                "saga!(pub async fn order() {}); pub type Order = u64;",
                true,
            ),
            (
                "mod a { saga_runtime::saga!{ async fn order() {} } enum Order {} }",
                true,
            ),
            ("mod a { struct Order; } saga!(async fn order() {});", false),
            ("struct Orders; saga!(async fn order() {});", false),
            ("struct Order; saga!(async fn other() {});", false),
            ("use model::Order; saga!(async fn order() {});", true),
            (
                "use model::{Customer, orders::{Order, Item}}; saga!(async fn order() {});",
                true,
            ),
            (
                "use model::Sale as Order; saga!(async fn order() {});",
                true,
            ),
            (
                "use model::Order as Sale; saga!(async fn order() {});",
                false,
            ),
            ("use Order::Open; saga!(async fn order() {});", false),
            (
                "fn all() -> impl Copy + use<> { Order } saga!(async fn order() {});",
                false,
            ),
            (
                "mod a { use model::Order; } saga!(async fn order() {});",
                false,
            ),
            (
                "use model::Sale; saga!(async fn order() {}); fn main() { Order {}; }",
                false,
            ),
        ] {
            let source = Source::from_text(text);
            assert_eq!(source.has_type_beside(&saga, &name), expected, "{text}");
        }
    }

    #[test]
    fn a_macro_of_the_file_may_await() {
        let name = quote::format_ident!("pay");
        for (text, expected) in [
            ("macro_rules! pay { () => { plain().await } }", true),
            (
                "mod a { macro_rules! pay { ($n:expr) => { if $n { plain(). await? } } } }",
                true,
            ),
            ("macro_rules! pay { () => { plain() } }", false),
            ("macro_rules! other { () => { plain().await } }", false),
            ("macro_rules! pay_all { () => { plain().await } }", false),
            ("// macro_rules! pay { () => { plain().await } }", false),
        ] {
            let source = Source::from_text(text);
            assert_eq!(source.awaits_in_macro(&name), expected, "{text}");
        }
    }
}
