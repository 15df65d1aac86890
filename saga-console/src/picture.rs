//! The picture of a saga as SVG, with a run laid over it: which calls are done, fail, are undone, and which way was taken.

use maud::{Markup, html};
use saga_runtime::operator::{CallStatus, CallView, Outline, OutlineNode};

/// The height of one line of the picture, and the width of one step of indentation.
const LINE: usize = 46;
const INDENT: usize = 26;
const WIDTH: usize = 400;

/// One line of the picture.
struct Line {
    depth: usize,
    label: String,
    note: String,
    class: &'static str,
    is_box: bool,
}

/// The nodes of the outline, with the calls of the run.
struct Drawing<'a> {
    calls: &'a [CallView],
    lines: Vec<Line>,
}

/// Draws a definition, and the calls of a run over it.
pub(crate) fn picture(outline: &Outline, calls: &[CallView]) -> Markup {
    let mut drawing = Drawing {
        calls,
        lines: Vec::new(),
    };
    drawing.body(&outline.body, 0);
    let lines = &drawing.lines;
    let depth = lines.iter().map(|line| line.depth).max().unwrap_or(0);
    let width = 24 + depth * INDENT + WIDTH;
    let height = 12 + lines.len() * LINE;
    html! {
        svg.picture xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img" {
            title { "The steps of " (outline.name) ", and what has happened to them" }
            @for (index, line) in lines.iter().enumerate() {
                @let x = 12 + line.depth * INDENT;
                @let y = 6 + index * LINE;
                g class=(line.class) {
                    @if let Some(above) = above(lines, index) {
                        path.edge d={ "M" (x + 14) " " (6 + above * LINE + 38) "V" (y) } {}
                    } @else if line.depth > 0 {
                        path.edge d={ "M" (x + 14 - INDENT) " " (y - 8) "V" (y + 19) "H" (x) } {}
                    }
                    @if line.is_box {
                        rect x=(x) y=(y) width=(WIDTH) height="38" rx="6" {}
                    }
                    text x=(x + 10) y=(y + 16) { (line.label) }
                    text.note x=(x + 10) y=(y + 32) { (line.note) }
                }
            }
        }
    }
}

/// The line above, of the same block.
fn above(lines: &[Line], index: usize) -> Option<usize> {
    let depth = lines[index].depth;
    let mut before = lines[..index].iter().enumerate().rev();
    let (above, _) = before.find(|(_, line)| line.depth <= depth)?;
    (lines[above].depth == depth).then_some(above)
}

impl Drawing<'_> {
    fn body(&mut self, body: &[OutlineNode], depth: usize) {
        for node in body {
            self.node(node, depth);
        }
    }

    fn node(&mut self, node: &OutlineNode, depth: usize) {
        match node {
            OutlineNode::Step { name, undone } => {
                let calls: Vec<_> = node.calls_of(self.calls).collect();
                let line = step(name, undone, &calls, depth);
                self.lines.push(line);
            }
            OutlineNode::Wait { what, .. } => {
                let calls: Vec<_> = node.calls_of(self.calls).collect();
                let line = step(what, "wait", &calls, depth);
                self.lines.push(line);
            }
            OutlineNode::Branch { arms } => {
                self.heading("one of", depth, "branch");
                let taken = node.taken(self.calls);
                for ((when, body), is_taken) in arms.iter().zip(taken) {
                    let class = if is_taken { "arm taken" } else { "arm" };
                    self.heading(when, depth + 1, class);
                    self.body(body, depth + 2);
                }
            }
            OutlineNode::Block { heading, body } => {
                self.heading(heading, depth, "block");
                self.body(body, depth + 1);
            }
            OutlineNode::Return => self.heading("return", depth, "block"),
            _ => {}
        }
    }

    fn heading(&mut self, text: &str, depth: usize, class: &'static str) {
        self.lines.push(Line {
            depth,
            label: shortened(text, 46),
            note: match class {
                "arm taken" => "taken".to_owned(),
                _ => String::new(),
            },
            class,
            is_box: false,
        });
    }
}

fn step(name: &str, undone: &str, calls: &[&CallView], depth: usize) -> Line {
    // Of several rounds, the one that needs a look.
    let shown = calls.iter().rev().find(|call| needs_a_look(call.status));
    let shown = shown.or(calls.last()).copied();
    let note = match shown {
        None => undone.to_owned(),
        Some(call) => {
            let rounds = match calls.len() {
                1 => String::new(),
                rounds => format!(", {rounds} calls"),
            };
            let attempts = match call.attempts {
                None | Some(0 | 1) => String::new(),
                Some(attempts) => format!(" after {attempts} attempts"),
            };
            format!(
                "{} {}{attempts}{rounds}",
                call.status.sign(),
                call.status.words()
            )
        }
    };
    Line {
        depth,
        label: shortened(name, 46),
        note: shortened(&note, 64),
        class: shown.map_or("unreached", |call| class(call.status)),
        is_box: true,
    }
}

fn needs_a_look(status: CallStatus) -> bool {
    !matches!(status, CallStatus::Done | CallStatus::Undone)
}

/// The class of a status in the style sheet.
pub(crate) fn class(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Done => "done",
        CallStatus::Refused => "refused",
        CallStatus::Failing | CallStatus::UndoFails => "failing",
        CallStatus::Waiting => "waits",
        CallStatus::Undone => "undone",
        CallStatus::Skipped => "skipped",
        _ => "trouble",
    }
}

/// A text that fits a box of so many characters.
fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
