//! One saga: its outline with what has happened on it, its history, and what can be done.

use std::io::Write;
use std::process::ExitCode;

use anstream::stdout;
use anstyle::{AnsiColor, Style};
use saga_runtime::engine::Escaped;
use saga_runtime::operator::{CallStatus, CallView, Operator, Outline, OutlineNode, SagaDetails};

use crate::output::{Failure, color, json, of_state, utc};

pub(crate) async fn show(
    operator: &Operator,
    id: &str,
    payloads: bool,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let details = if payloads {
        operator.show_payloads(id).await?
    } else {
        operator.show(id).await?
    };
    if is_json {
        json(&details)?;
    } else {
        print(&mut stdout(), &details)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn print(out: &mut impl Write, details: &SagaDetails) -> Result<(), Failure> {
    head(out, details)?;
    let calls = details.calls();
    match &details.outline {
        Some(outline) => outlined(out, outline, &calls)?,
        None => {
            for call in &calls {
                write!(out, "  {}: ", call.call())?;
                status(out, call)?;
                writeln!(out)?;
            }
        }
    }
    writeln!(out, "\nHistory:")?;
    let started = details.saga.started_at;
    for entry in &details.entries {
        let after = entry.at.saturating_sub(started);
        writeln!(
            out,
            "  {:>3}  +{:>6}.{:03}s  {}",
            entry.seq,
            after / 1000,
            after % 1000,
            entry.line
        )?;
        if let Some(payload) = &entry.payload {
            writeln!(out, "                  {}", Escaped(payload))?;
        }
    }
    if !details.possible.is_empty() {
        writeln!(out, "\nPossible now:")?;
        let id = &details.saga.id;
        let flag = if id.contains('=') { "--id " } else { "" };
        for possible in &details.possible {
            let target = match (&*possible.command, &possible.target) {
                ("send" | "drop", Some(target)) => format!(" --event {}", quoted(target)),
                (_, Some(target)) => format!(" --step {}", quoted(target)),
                (_, None) => String::new(),
            };
            let bold = Style::new().bold();
            writeln!(
                out,
                "  {bold}saga {} {flag}{}{}{bold:#}: {}",
                possible.command,
                Escaped(quoted(id)),
                Escaped(target),
                Escaped(&possible.effect)
            )?;
        }
    }
    Ok(())
}

fn head(out: &mut impl Write, details: &SagaDetails) -> Result<(), Failure> {
    let saga = &details.saga;
    let style = of_state(&saga.state);
    writeln!(
        out,
        "saga {}: {}, version {}, {style}{}{style:#}, started {}",
        saga.id,
        Escaped(&saga.name),
        saga.version,
        saga.state,
        utc(saga.started_at),
    )?;
    if let Some(worker) = &saga.worker {
        writeln!(out, "  held by {worker}")?;
    }
    if saga.state == "waiting" && details.waits.is_empty() && saga.trouble.is_none() {
        writeln!(out, "  {}", saga.condition)?;
    }
    if let Some(reason) = &saga.cancellation {
        writeln!(out, "  to be cancelled: {}", Escaped(reason))?;
    }
    if let Some(trouble) = &saga.trouble {
        let red = color(AnsiColor::Red);
        writeln!(
            out,
            "  {red}{}: {}{red:#}",
            Escaped(&trouble.code),
            Escaped(&trouble.message)
        )?;
        if let Some(next) = trouble.next_attempt {
            writeln!(out, "  next attempt at {}", utc(next))?;
        }
    }
    if let Some(damage) = &details.damage {
        writeln!(out, "  DAMAGED: {}", Escaped(damage))?;
    }
    if let Some(reason) = &saga.paused {
        writeln!(out, "  its definition is paused: {}", Escaped(reason))?;
    }
    for event in &details.set_aside {
        writeln!(
            out,
            "  event {} is set aside: {}; the right one can be sent",
            Escaped(&event.event),
            Escaped(&event.reason)
        )?;
    }
    for event in &details.kept {
        write!(
            out,
            "  event {} was sent, and is kept until it is asked for",
            Escaped(&event.event)
        )?;
        if let Some(key) = &event.key {
            write!(out, " (key {})", Escaped(key))?;
        }
        match &event.value {
            Some(value) => writeln!(out, ": {}", Escaped(value))?,
            None => writeln!(out)?,
        }
    }
    for wait in &details.waits {
        write!(out, "  waits for {}", Escaped(&wait.call))?;
        match wait.until {
            Some(until) => writeln!(out, ", until {}", utc(until))?,
            None => writeln!(out)?,
        }
    }
    if !details.to_compensate.is_empty() {
        writeln!(
            out,
            "  to be undone if it fails, last first: {}",
            details.to_compensate.join(", ")
        )?;
    }
    for (call, reason) in &details.skipped {
        writeln!(out, "  left as it is: {call}: {}", Escaped(reason))?;
    }
    if !details.left.is_empty() {
        writeln!(out, "  not undone: {}", Escaped(details.left.join(", ")))?;
    }
    if let Some(input) = &details.input {
        writeln!(out, "  input: {}", Escaped(input))?;
    }
    writeln!(out)?;
    Ok(())
}

fn outlined(out: &mut impl Write, outline: &Outline, calls: &[CallView]) -> Result<(), Failure> {
    body(out, &outline.body, calls, 1)
}

fn body(
    out: &mut impl Write,
    nodes: &[OutlineNode],
    calls: &[CallView],
    depth: usize,
) -> Result<(), Failure> {
    let indent = "  ".repeat(depth);
    for node in nodes {
        match node {
            OutlineNode::Step { name, undone } => {
                write!(out, "{indent}{name}: ")?;
                called(out, node, calls, undone)?;
            }
            OutlineNode::Wait { what, .. } => {
                write!(out, "{indent}{what}: ")?;
                called(out, node, calls, "wait")?;
            }
            OutlineNode::Branch { arms } => {
                writeln!(out, "{indent}one of")?;
                for ((when, nodes), is_taken) in arms.iter().zip(node.taken(calls)) {
                    let taken = if is_taken { " (taken)" } else { "" };
                    writeln!(out, "{indent}  {when}:{taken}")?;
                    body(out, nodes, calls, depth + 2)?;
                }
            }
            OutlineNode::Block {
                heading,
                body: nodes,
            } => {
                writeln!(out, "{indent}{heading}")?;
                body(out, nodes, calls, depth + 1)?;
            }
            _ => writeln!(out, "{indent}return")?,
        }
    }
    Ok(())
}

/// A text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '#' | '@');
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('#') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Prints what has happened to the calls of a node, or how it is undone if none was made.
fn called(
    out: &mut impl Write,
    node: &OutlineNode,
    calls: &[CallView],
    otherwise: &str,
) -> Result<(), Failure> {
    let mut separator = "";
    for call in node.calls_of(calls) {
        write!(out, "{separator}")?;
        if call.occurrence > 0 {
            write!(out, "#{} ", call.occurrence)?;
        }
        status(out, call)?;
        separator = "; ";
    }
    if separator.is_empty() {
        let dim = Style::new().dimmed();
        write!(out, "{dim}{otherwise}{dim:#}")?;
    }
    writeln!(out)?;
    Ok(())
}

fn status(out: &mut impl Write, call: &CallView) -> Result<(), Failure> {
    let style = color(match call.status {
        CallStatus::Done => AnsiColor::Green,
        CallStatus::Undone => AnsiColor::Magenta,
        CallStatus::Failing | CallStatus::UndoFails | CallStatus::Waiting => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    });
    write!(
        out,
        "{style}{} {}{style:#}",
        call.status.sign(),
        call.status.words()
    )?;
    if let Some(attempts) = call.attempts.filter(|attempts| *attempts > 1) {
        write!(out, " after {attempts} attempts")?;
    }
    if let Some(message) = &call.message {
        write!(out, ": {}", Escaped(message))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_what_is_printed_for_one_word() {
        for (text, word) in [
            ("order-17", "order-17"),
            ("pack/charge#1", "pack/charge#1"),
            ("two words", "'two words'"),
            ("it's; rm", r"'it'\''s; rm'"),
            ("$(x)", "'$(x)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
