//! The registered sagas as text: one line for each node of a body, indented by its depth. The file is read by people and by the test.

use std::fmt::{self, Display, Write as _};

use crate::shape::{Node, Shape};

/// A saga in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LockedSaga {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) body: Vec<Part>,
}

/// A node of a body, as a line of text, and the nodes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) label: String,
    pub(super) parts: Vec<Self>,
}

impl Part {
    fn new(label: impl Into<String>, parts: Vec<Self>) -> Self {
        // A label is one line.
        let label: String = label.into();
        let label = label.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { label, parts }
    }

    /// The name and the kind, if it is a step.
    pub(super) fn step(&self) -> Option<(&str, &str)> {
        self.label.strip_prefix("step ")?.split_once(": ")
    }

    /// The constants and the durable names of the events that it waits for, if the file has both.
    fn named_event(&self) -> Option<(&str, &str)> {
        let events = self.label.strip_prefix("event ")?;
        let events = events.strip_suffix(LIMITED).unwrap_or(events);
        events.split_once(NAMED)
    }

    /// Returns true if the file says that it waits for a limited time. Older ones do not say it.
    fn is_limited(&self) -> bool {
        self.label.starts_with("event ") && self.label.ends_with(LIMITED)
    }
}

/// The problem of a text that is no such file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockError {
    line: usize,
    problem: String,
}

impl LockError {
    pub(super) fn new(line: usize, problem: impl Display) -> Self {
        let problem = problem.to_string();
        Self { line, problem }
    }
}

impl Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.problem),
            line => write!(f, "line {line}: {}", self.problem),
        }
    }
}

impl std::error::Error for LockError {}

const HEAD: &str = "\
# The sagas as they are deployed: their steps, kinds and structure. A test compares this file with the code.
# `SAGA_UPDATE=1 cargo test` writes it.
";

/// The deepest nesting that is read.
const DEEPEST: usize = 200;

pub(super) fn of_shapes(shapes: &[Shape]) -> Vec<LockedSaga> {
    let sagas = shapes.iter().map(|shape| LockedSaga {
        name: shape.saga.name.to_owned(),
        version: shape.saga.version,
        body: parts(&shape.body),
    });
    sagas.collect()
}

fn parts(body: &[Node]) -> Vec<Part> {
    body.iter().map(part).collect()
}

fn part(node: &Node) -> Part {
    match node {
        Node::Step(step) => Part::new(format!("step {}: {}", step.name, step.kind), Vec::new()),
        Node::Branch(arms) => {
            let arms = arms.iter();
            let arms = arms.map(|arm| Part::new(format!("when {}", arm.when), parts(&arm.body)));
            Part::new("one of", arms.collect())
        }
        Node::Loop(each) => Part::new(format!("loop {}", each.of), parts(&each.body)),
        Node::Group(members) => Part::new("at the same time", parts(members)),
        Node::Handled(part) => Part::new("undone first, if it fails", parts(part)),
        Node::FanOut(each) => Part::new(format!("for each of {}", each.items), parts(&each.body)),
        Node::Saga(saga) => Part::new(format!("saga {}", saga.name), parts(&saga.body)),
        Node::Wait(wait) if wait.name == "sleep" => Part::new("sleep", Vec::new()),
        Node::Wait(wait) => {
            let mut label = format!("event {}", event(wait.what));
            if !wait.events.is_empty() {
                label = label + NAMED + &wait.events.join(" or ");
            }
            let called = wait.what.split('(').next().unwrap_or_default();
            if called.trim_end().ends_with("_within") {
                label += LIMITED;
            }
            Part::new(label, Vec::new())
        }
        Node::Return => Part::new("return", Vec::new()),
    }
}

/// What stands between the constants of events and their durable names: `event APPROVED: approved`.
const NAMED: &str = ": ";

/// What stands behind an event that the saga awaits for a limited time.
const LIMITED: &str = ", for a limited time";

/// The event of the first wait, in the nodes that both bodies begin with, that has lost its limit.
pub(super) fn without_its_limit<'a>(old: &'a [Part], new: &[Part]) -> Option<&'a str> {
    let mut both = old.iter().zip(new);
    both.find_map(|(old, new)| {
        if old.is_limited() && new.label.starts_with("event ") && !new.is_limited() {
            let event = old.named_event().map(|(_, durable)| durable);
            return event.or_else(|| old.label.strip_prefix("event ")?.strip_suffix(LIMITED));
        }
        without_its_limit(&old.parts, &new.parts)
    })
}

/// The same sagas with an event under one name: the durable one if `are_durable` is set and the file has it, otherwise that of the constant.
/// No limits of waits are left.
pub(super) fn with_one_name(sagas: &[LockedSaga], are_durable: bool) -> Vec<LockedSaga> {
    let renamed = |saga: &LockedSaga| LockedSaga {
        body: parts_with_one_name(&saga.body, are_durable),
        ..saga.clone()
    };
    sagas.iter().map(renamed).collect()
}

fn parts_with_one_name(parts: &[Part], are_durable: bool) -> Vec<Part> {
    let renamed = |part: &Part| {
        let named = part.named_event();
        let label = match named {
            Some((_, durable)) if are_durable => format!("event {durable}"),
            Some((constant, _)) => format!("event {constant}"),
            None if part.is_limited() => part.label.replace(LIMITED, ""),
            None => part.label.clone(),
        };
        Part::new(label, parts_with_one_name(&part.parts, are_durable))
    };
    parts.iter().map(renamed).collect()
}

/// Returns true if the file has the durable name of an event. Older ones have none.
pub(super) fn has_durable_names(sagas: &[LockedSaga]) -> bool {
    fn any(parts: &[Part]) -> bool {
        let mut parts = parts.iter();
        parts.any(|part| part.named_event().is_some() || any(&part.parts))
    }
    sagas.iter().any(|saga| any(&saga.body))
}

/// The events in the source text of a wait: `event_within(APPROVED, DAY)`, `first_of((PAID, DECLINED))`.
fn event(what: &str) -> String {
    let inside = what.split_once('(').map_or(what, |(_, inside)| inside);
    if let Some(names) = inside.trim_start().strip_prefix('(') {
        let end = names.find(')').unwrap_or(names.len());
        let names = names[..end].split(',').map(str::trim);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        return names.join(" or ");
    }
    let end = inside.find([',', ')']).unwrap_or(inside.len());
    inside[..end].trim().to_owned()
}

/// The text of the file.
pub(super) fn text(sagas: &[LockedSaga]) -> String {
    let mut text = HEAD.to_owned();
    for saga in sagas {
        let _ = writeln!(text, "\nsaga {}, version {}", saga.name, saga.version);
        write_parts(&mut text, &saga.body, 1);
    }
    text
}

fn write_parts(text: &mut String, parts: &[Part], depth: usize) {
    for part in parts {
        let _ = writeln!(text, "{:width$}{}", "", part.label, width = 2 * depth);
        write_parts(text, &part.parts, depth + 1);
    }
}

/// Reads the text of the file.
pub(super) fn read(text: &str) -> Result<Vec<LockedSaga>, LockError> {
    let mut sagas: Vec<LockedSaga> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let label = line.trim_start_matches(' ');
        let indent = line.len() - label.len();
        let label = label.trim_end();
        if label.is_empty() || label.starts_with('#') {
            continue;
        }
        if indent == 0 {
            sagas.push(head(label).ok_or_else(|| {
                LockError::new(number, "a saga begins with `saga NAME, version NUMBER`")
            })?);
            continue;
        }
        let saga = sagas.last_mut();
        let saga = saga.ok_or_else(|| LockError::new(number, "a step stands before any saga"))?;
        if indent % 2 != 0 || indent / 2 > DEEPEST {
            return Err(LockError::new(number, "each level is two spaces deep"));
        }
        let mut place = &mut saga.body;
        for _ in 1..indent / 2 {
            let Some(last) = place.last_mut() else {
                return Err(LockError::new(number, "it is too deep"));
            };
            place = &mut last.parts;
        }
        place.push(Part::new(label, Vec::new()));
    }
    Ok(sagas)
}

fn head(line: &str) -> Option<LockedSaga> {
    let (name, version) = line.strip_prefix("saga ")?.rsplit_once(", version ")?;
    Some(LockedSaga {
        name: name.to_owned(),
        version: version.parse().ok()?,
        body: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let leaf = |label: &str| Part::new(label, Vec::new());
        let arms = vec![
            Part::new("when order.is_large()", vec![leaf("event APPROVED")]),
            leaf("when else"),
        ];
        let body = vec![
            leaf("step order: compensatable"),
            Part::new("one of", arms),
            leaf("step ship: pivot"),
        ];
        let saga = |version| LockedSaga {
            name: "sale".to_owned(),
            version,
            body: body.clone(),
        };
        let sagas = [saga(1), saga(2)];
        let text = text(&sagas);
        assert_eq!(read(&text).as_deref(), Ok(&sagas[..]), "{text}");
    }

    #[test]
    fn a_text_that_is_no_such_file_is_refused_with_its_line() {
        for (text, problem) in [
            (
                "sale",
                "line 1: a saga begins with `saga NAME, version NUMBER`",
            ),
            (
                "saga sale, version x",
                "line 1: a saga begins with `saga NAME, version NUMBER`",
            ),
            (
                "# head\n  step a: pivot",
                "line 2: a step stands before any saga",
            ),
            (
                "saga a, version 1\n   step a: pivot",
                "line 2: each level is two spaces deep",
            ),
            (
                "saga a, version 1\n    step a: pivot",
                "line 2: it is too deep",
            ),
        ] {
            let read = read(text).expect_err("it is no such file");
            assert_eq!(read.to_string(), problem);
        }
    }
}
