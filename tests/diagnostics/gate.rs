//! What holds for every message: one mistake is one error, and nothing of ours shows in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

const TOPICS: [&str; 8] = [
    "compensation",
    "coordinator",
    "order",
    "step",
    "structure",
    "syntax",
    "types",
    "wiring",
];

/// Words that say something about our code and nothing about the user's.
const INSIDES: [&str; 2] = ["__private", "originates in"];

/// A program with a mistake, and what the compiler says about it.
struct Mistake {
    name: String,
    program: String,
    message: String,
}

fn mistakes() -> Vec<Mistake> {
    TOPICS
        .iter()
        .flat_map(|topic| programs(topic))
        .map(|path| Mistake {
            name: path.display().to_string(),
            program: read(&path),
            message: read(&path.with_extension("stderr")),
        })
        .collect()
}

fn programs(topic: &str) -> Vec<PathBuf> {
    let mut programs: Vec<_> = files(topic, "rs");
    programs.sort();
    programs
}

fn files(topic: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new("diagnostics").join(topic);
    fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder of this package can be read").path())
        .filter(|path| path.extension() == Some(OsStr::new(extension)))
        .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// How many errors a program says it has: `//~ errors: 1`.
fn promised(mistake: &Mistake) -> usize {
    let first = mistake.program.lines().next().unwrap_or_default();
    first
        .strip_prefix("//~ errors: ")
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("{}: the first line is `//~ errors: N`", mistake.name))
}

fn errors(message: &str) -> usize {
    let is_error = |line: &&str| line.starts_with("error: ") || line.starts_with("error[");
    message.lines().filter(is_error).count()
}

#[test]
fn one_mistake_is_one_error() {
    for mistake in mistakes() {
        let (promised, errors) = (promised(&mistake), errors(&mistake.message));
        assert_eq!(errors, promised, "{}", mistake.name);
    }
}

#[test]
fn more_than_one_error_needs_a_reason() {
    for mistake in mistakes() {
        let second = mistake.program.lines().nth(1).unwrap_or_default();
        assert!(
            promised(&mistake) == 1 || second.starts_with("// "),
            "{} does not say why",
            mistake.name
        );
    }
}

#[test]
fn no_message_speaks_of_our_insides() {
    for mistake in mistakes() {
        for word in INSIDES {
            assert!(!mistake.message.contains(word), "{}: {word}", mistake.name);
        }
    }
}

#[test]
fn no_message_comes_with_a_warning() {
    for mistake in mistakes() {
        assert!(!mistake.message.contains("warning: "), "{}", mistake.name);
    }
}

#[test]
fn every_topic_has_mistakes_and_every_message_a_program() {
    for topic in TOPICS {
        let programs = programs(topic);
        assert!(!programs.is_empty(), "{topic}");
        for message in files(topic, "stderr") {
            let program = message.with_extension("rs");
            assert!(programs.contains(&program), "{}", message.display());
        }
    }
}
