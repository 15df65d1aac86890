//! The rules for every message: one mistake is one error, and nothing of ours shows in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

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

/// Words about our code, which the user does not know.
const INSIDES: [&str; 2] = ["__private", "originates in"];

/// A program with a mistake, and the messages of the compiler.
struct Mistake {
    name: String,
    program: String,
    message: String,
}

fn mistakes() -> Vec<Mistake> {
    TOPICS
        .iter()
        .flat_map(|topic| programs(topic))
        .map(|path| Mistake::read(&path))
        .collect()
}

impl Mistake {
    fn read(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            program: read(path),
            message: read(&path.with_extension("stderr")),
        }
    }
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

/// The number of errors that a program promises: `//~ errors: 1`.
fn promised(mistake: &Mistake) -> usize {
    let first = mistake.program.lines().next().unwrap_or_default();
    first
        .strip_prefix("//~ errors: ")
        .and_then(|count| count.split(", ").next()?.parse().ok())
        .unwrap_or_else(|| panic!("{}: the first line is `//~ errors: N`", mistake.name))
}

/// The number of errors that tools get, where it is another one: `//~ errors: 1, to tools: 2`.
fn promised_to_tools(mistake: &Mistake) -> Option<usize> {
    let first = mistake.program.lines().next().unwrap_or_default();
    let (_, count) = first.split_once(", to tools: ")?;
    count.parse().ok()
}

fn errors(message: &str) -> usize {
    let is_error = |line: &&str| line.starts_with("error: ") || line.starts_with("error[");
    message.lines().filter(is_error).count()
}

/// The errors that tools get, which read the messages of rustc as JSON.
fn emitted(messages: &str) -> Vec<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["level"] == "error")
        .filter_map(|message| Some(message["message"].as_str()?.to_owned()))
        .filter(|text| !text.starts_with("aborting due to"))
        .collect()
}

/// Compares the messages in `folder` with the promise of each program.
#[track_caller]
pub(crate) fn no_tool_gets_a_mistake_twice(folder: &Path) {
    let mut wrong = Vec::new();
    let mut counted = 0;
    for file in fs::read_dir(folder).expect("the messages are there") {
        let file = file.expect("a folder of messages can be read").path();
        let program = file.with_extension("");
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let program = Path::new("diagnostics").join(name.replacen('.', "/", 1) + ".rs");
        let mistake = Mistake::read(&program);
        let errors = emitted(&read(&file));
        let expected = promised_to_tools(&mistake).unwrap_or_else(|| promised(&mistake));
        if errors.len() != expected {
            wrong.push(format!("{}: {errors:#?}", mistake.name));
        }
        counted += 1;
    }
    assert!(counted > 0, "no program was compiled");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
            promised(&mistake) == 1 && promised_to_tools(&mistake).is_none()
                || second.starts_with("// "),
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
