//! Each layer uses only the layers below it, in all three crates.

use std::collections::BTreeSet;

use saga_house::{Source, below, read, without_comments};

/// From top to bottom. The modules of one floor do not use one another.
type Floors = &'static [&'static [&'static str]];

/// A folder whose modules stand on floors: the root of a crate, or a module with stages.
struct Building {
    folder: &'static str,
    floors: Floors,
}

/// As drawn in the documentation of the crate.
const RUNTIME: Building = Building {
    folder: "saga-runtime/src",
    floors: &[
        &["guide", "testing"],
        &["generated"],
        &["operator"],
        &["coordinator"],
        &["engines"],
        &["run"],
        &["attempts"],
        &["journal", "language"],
        &["metrics", "telemetry"],
        &["shape", "place"],
        &["meta"],
        &["error"],
        &["id", "trace"],
        &["call_name", "clock", "escaped", "lock", "panic"],
    ],
};

const MACROS: Building = Building {
    folder: "saga-macros/src",
    floors: &[
        &["arbitrary", "golden"],
        &["editor"],
        &["saga", "step"],
        &["signature", "runtime_path"],
        &["options"],
        &["duration", "errors", "source", "source_text"],
        &["spans"],
    ],
};

/// The stages of `saga!`: what `check` has found is a model, of which `expand` makes code.
const SAGA: Building = Building {
    folder: "saga-macros/src/saga",
    floors: &[
        &["tests"],
        &["as_written", "fallback"],
        &["check", "expand"],
        &["parse", "model"],
    ],
};

/// The stages of `#[step]`.
const STEP: Building = Building {
    folder: "saga-macros/src/step",
    floors: &[
        &["tests"],
        &["fallback"],
        &["check", "expand"],
        &["parse", "model"],
    ],
};

const RESTATE: Building = Building {
    folder: "saga-restate/src",
    floors: &[
        &["testing"],
        &["client", "endpoint"],
        &["workflow"],
        &["engine"],
        &["operated"],
        &["attempts", "handled", "wait"],
        &["invocation"],
        &["decision"],
        &["attempt_record", "failure_report"],
        &["journal", "server"],
        &["exchange", "turns"],
        &["inbox"],
        &["settings"],
        &["clock", "crash", "entry_names", "form", "trace_headers"],
        &["lock"],
    ],
};

const PARTICIPANT: Building = Building {
    folder: "saga-participant/src",
    floors: &[
        &["axum", "tonic", "tower"],
        &["participant"],
        &["answer"],
        &["database", "error", "request"],
        &["key", "table"],
    ],
};

const CONSOLE: Building = Building {
    folder: "saga-console/src",
    floors: &[
        &["console"],
        &["guard"],
        &["api", "client", "live", "pages"],
        &["desk", "picture"],
        &["answers", "form", "request"],
    ],
};

#[test]
fn saga_runtime_uses_no_layer_above() {
    RUNTIME.uses_no_layer_above();
}

#[test]
fn saga_macros_uses_no_layer_above() {
    MACROS.uses_no_layer_above();
    SAGA.uses_no_layer_above();
    STEP.uses_no_layer_above();
}

#[test]
fn saga_participant_uses_no_layer_above() {
    PARTICIPANT.uses_no_layer_above();
}

#[test]
fn saga_console_uses_no_layer_above() {
    CONSOLE.uses_no_layer_above();
}

#[test]
fn saga_restate_uses_no_layer_above() {
    RESTATE.uses_no_layer_above();
}

#[test]
fn each_module_has_a_floor() {
    for building in [RUNTIME, MACROS, SAGA, STEP, RESTATE, CONSOLE] {
        let files = below(building.folder, "rs");
        let modules: BTreeSet<_> = files.iter().map(|file| building.module(file)).collect();
        let floors = building.floors.iter().copied().flatten().copied();
        let expected: BTreeSet<_> = floors
            .chain(building.is_a_crate().then_some("lib"))
            .collect();
        assert_eq!(modules, expected, "the floors of {}", building.folder);
    }
}

/// The documentation of the crate shows the same floors in the same order.
#[test]
fn the_drawing_shows_the_floors() {
    let lib = read("saga-runtime/src/lib.rs").text;
    let drawings = lib.split("//! ```text").skip(1);
    let mut drawings = drawings.filter_map(|rest| rest.split("//! ```").next());
    let drawing = drawings.find(|drawing| drawing.contains("generated"));
    let drawing = drawing.expect("the documentation of the crate has a drawing of its layers");
    let names = |line: &str| -> Vec<String> {
        let cells = line.trim_start_matches("//!").split("  ");
        let cells = cells.flat_map(|cell| cell.split(" · "));
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let lines: Vec<_> = drawing.lines().map(names).collect();
    let mut above = 0;
    // The guide and the suite of journals stand beside the house.
    for floor in &RUNTIME.floors[1..] {
        let drawn = floor.iter().map(|module| {
            let line = lines
                .iter()
                .position(|line| line.iter().any(|cell| cell == module));
            line.unwrap_or_else(|| panic!("the drawing in lib.rs lacks `{module}`"))
        });
        let drawn: Vec<_> = drawn.collect();
        assert!(
            drawn.iter().all(|line| *line >= above),
            "the drawing in lib.rs shows {floor:?} too high"
        );
        above = drawn.into_iter().max().unwrap_or(above);
    }
}

impl Building {
    fn uses_no_layer_above(&self) {
        let mut climbing = Vec::new();
        for file in below(self.folder, "rs") {
            let from = self.module(&file);
            if from == "lib" {
                continue;
            }
            let below = self.below(from);
            for (line, path) in uses(&file) {
                let Some(used) = self.head(&path) else {
                    continue;
                };
                if used == from || below.contains(&used) {
                    continue;
                }
                let text = file.text.lines().nth(line - 1).unwrap_or_default();
                climbing.push(format!(
                    "{}:{line}: `{}`\n  `{from}` may not use `{used}`, only {}\n",
                    file.path,
                    text.trim(),
                    list(&below),
                ));
            }
        }
        climbing.dedup();
        let climbing = climbing.join("\n");
        assert!(
            climbing.is_empty(),
            "a layer uses one that is not below it:\n\n{climbing}"
        );
    }

    fn is_a_crate(&self) -> bool {
        self.folder.ends_with("/src")
    }

    /// The module of this folder that the file belongs to.
    fn module<'file>(&self, file: &'file Source) -> &'file str {
        let path = &file.path[self.folder.len() + 1..];
        let first = path.split('/').next().unwrap_or(path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The module of this folder that a path leads into, if it does.
    fn head<'path>(&self, path: &'path [String]) -> Option<&'path str> {
        let above = self.folder.split('/').skip(2).count();
        let (own, rest) = path.split_at_checked(above)?;
        let head = rest.first()?;
        let is_here = self.folder.split('/').skip(2).eq(own);
        let is_module = self
            .floors
            .iter()
            .any(|floor| floor.contains(&head.as_str()));
        // What a crate has at its root stands there for users; inside it is named where it is defined.
        (is_here && (is_module || self.is_a_crate())).then_some(head.as_str())
    }

    fn below(&self, module: &str) -> Vec<&'static str> {
        let floor = self.floors.iter().position(|floor| floor.contains(&module));
        let floor = floor.unwrap_or_else(|| {
            panic!(
                "`{module}` has no floor in {}: see tests/house/layers.rs",
                self.folder
            )
        });
        self.floors[floor + 1..].concat()
    }
}

fn list(modules: &[&str]) -> String {
    match modules {
        [] => "what is outside of this folder".to_owned(),
        modules => format!("`{}`", modules.join("`, `")),
    }
}

/// The paths that a file names inside of its own crate, from the root on, as far as `crate` and `super` lead, and one or
/// two segments further. With each goes its line.
fn uses(file: &Source) -> Vec<(usize, Vec<String>)> {
    let own = file.path.split("/src/").nth(1).unwrap_or(&file.path);
    let own = own.strip_suffix(".rs").unwrap_or(own).split('/');
    let own: Vec<_> = own.map(str::to_owned).collect();
    let code = without_comments(&file.text);
    let mut found = Vec::new();
    for (at, keyword) in code
        .match_indices("crate::")
        .chain(code.match_indices("super::"))
    {
        let before = code[..at].chars().next_back();
        // `super::super::` is read at its first segment.
        if before.is_some_and(|c| is_of_a_word(c) || c == '$' || c == ':') {
            continue;
        }
        let mut after = at + keyword.len();
        let mut base = Vec::new();
        if keyword == "super::" {
            base.clone_from(&own);
            base.pop();
            while code[after..].starts_with("super::") {
                base.pop();
                after += "super::".len();
            }
        }
        for (offset, path) in paths(&code[after..]) {
            // In a test inside of the file, `super::*` is the file itself.
            if path == [""] {
                continue;
            }
            let line = 1 + code[..after + offset].matches('\n').count();
            found.push((line, [base.clone(), path].concat()));
        }
    }
    found.sort();
    found
}

/// The first two segments of a path, or of each member of a group.
fn paths(rest: &str) -> Vec<(usize, Vec<String>)> {
    let Some(group) = rest.strip_prefix('{') else {
        let first = word(rest);
        let second = rest[first.len()..].strip_prefix("::");
        return match second {
            Some(second) if second.starts_with('{') => {
                let paths = paths(second).into_iter();
                let offset = rest.len() - second.len();
                let paths =
                    paths.map(|(at, path)| (at + offset, [vec![first.clone()], path].concat()));
                paths.collect()
            }
            second => {
                let second = second.map(word);
                vec![(0, [first].into_iter().chain(second).collect())]
            }
        };
    };
    let mut found = Vec::new();
    let (mut depth, mut is_next) = (0, true);
    for (at, c) in group.char_indices() {
        if depth == 0 && is_next && is_of_a_word(c) {
            found.extend(
                paths(&group[at..])
                    .into_iter()
                    .map(|(offset, path)| (1 + at + offset, path)),
            );
            is_next = false;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_next = true,
            _ => {}
        }
    }
    found
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> String {
    text.chars().take_while(|&c| is_of_a_word(c)).collect()
}

#[test]
fn all_that_a_file_names_of_its_crate_is_found() {
    let text = "use crate::run;\n// crate::no\nuse crate::{\n    place::{Attempt, Role},\n    id::SagaId,\n};\n\
                fn f() { crate::shape::of(); $crate::no(); mycrate::no(); super::super::meta::of() }\n\
                use super::{one, two::Three};\n";
    let file = Source {
        path: "saga-runtime/src/run/group.rs".to_owned(),
        text: text.to_owned(),
    };
    let found = uses(&file).into_iter();
    let found: Vec<_> = found
        .map(|(line, path)| format!("{line} {}", path.join("::")))
        .collect();
    let expected = [
        "1 run",
        "4 place::Attempt",
        "4 place::Role",
        "5 id::SagaId",
        "7 meta::of",
        "7 shape::of",
        "8 run::one",
        "8 run::two::Three",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_use_that_climbs_is_found() {
    let path = ["run".to_owned(), "Engine".to_owned()];
    assert_eq!(RUNTIME.head(&path), Some("run"));
    assert!(!RUNTIME.below("place").contains(&"run"));
    assert!(!RUNTIME.below("journal").contains(&"language"));
    assert!(RUNTIME.below("run").contains(&"place"));
    let path = ["saga".to_owned(), "expand".to_owned()];
    assert_eq!(SAGA.head(&path), Some("expand"));
    assert!(!SAGA.below("check").contains(&"expand"));
}
