//! One name, one thing: no type name stands twice at the top level of a crate.

use std::collections::BTreeMap;
use std::fmt::Write;

use saga_house::{CRATES, below};

/// Names that stand twice with a reason: the crate, the name, and why.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "saga-macros",
        "Input",
        "an input of a step and one of a saga: no file knows both",
    ),
    ("saga-macros", "Kind", MODEL),
    (
        "saga-runtime",
        "Shared",
        "the private state behind each handle that is cloned like an `Arc`",
    ),
    ("saga-runtime", "Operation", TWINS),
    ("saga-runtime", "Reply", TWINS),
    ("saga-runtime", "Writer", TWINS),
];

const MODEL: &str = "the reference model of the order rule has kinds of its own, as a test should";
const TWINS: &str = "`journal/sqlite` and `journal/postgres` have the same parts, so that their diff shows the dialect";

#[test]
fn no_type_name_stands_twice_in_a_crate() {
    let mut twice = String::new();
    let mut unneeded: Vec<_> = KNOWN.iter().collect();
    for name in CRATES {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in below(&format!("{name}/src"), "rs") {
            for (line, found) in types(&file.text) {
                let known = places.entry(found).or_default();
                // In one file it is the same thing, for another operating system or feature.
                if !known.iter().any(|place| place.starts_with(&file.path)) {
                    known.push(format!("{}:{line}", file.path));
                }
            }
        }
        for (found, places) in places {
            // Each module may have an error of its own.
            if places.len() < 2 || found.ends_with("Error") {
                continue;
            }
            let is_known = |known: &&(&str, &str, &str)| known.0 == name && known.1 == found;
            if KNOWN.iter().any(|known| is_known(&known)) {
                unneeded.retain(|known| !is_known(known));
                continue;
            }
            let _ = write!(twice, "\n{name}: `{found}` at {}", places.join(", "));
        }
    }
    assert!(twice.is_empty(), "one name, two things:{twice}");
    assert!(
        unneeded.is_empty(),
        "exceptions that are not needed any more: {unneeded:?}"
    );
}

/// The types and traits that stand in no function, test or macro of the file, with their lines.
fn types(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        if line.starts_with(char::is_whitespace) {
            continue;
        }
        let is_before =
            |word: &&str| word.starts_with("pub") || *word == "unsafe" || word.ends_with(')');
        let Some(keyword) = words.find(|word| !is_before(word)) else {
            continue;
        };
        if !["struct", "enum", "trait", "type", "union"].contains(&keyword) {
            continue;
        }
        let name = words.next().unwrap_or_default();
        let name = name
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next();
        found.push((number + 1, name.unwrap_or_default().to_owned()));
    }
    found
}

#[test]
fn all_types_of_a_file_are_found() {
    let text = "pub(crate) struct One<'a> {\n    struct No;\n}\npub(in crate::run) enum Two {}\n\
                pub trait Three: Send {}\ntype Four = u64;\nfn no() {}\n";
    let found: Vec<_> = types(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(found, ["One", "Two", "Three", "Four"]);
}
