//! The matrix as a document: fault × step, with the end of the saga in each cell.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::engines::journaled::faults::Fault;
use crate::journal::State;
use crate::testing::matrix::case::{
    EVENT_FAULTS, FAULTS, Target, UNDOING_FAULTS, When, name, wait_words, words,
};
use crate::testing::matrix::report::MatrixReport;
use crate::testing::matrix::run::Ran;

/// The variable that lets documents be written.
const UPDATE: &str = "SAGA_UPDATE";

/// A table, in the order in which it is read.
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The last line of a matrix within a larger document.
const END: &str = "<!-- end of failures -->";

/// Compares the document with its file, or writes it.
pub(super) fn compare(path: &Path, report: &MatrixReport) {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let path = package.unwrap_or_default().join(path);
    let known = fs::read_to_string(&path).unwrap_or_default();
    let known = known.replace("\r\n", "\n");
    let begin = format!("<!-- failures of {} -->\n", report.saga);
    let parts = known.split_once(&begin);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let document = match parts {
        Some((before, (_, after))) => {
            let tables = markdown_tables(report, "###");
            format!("{before}{begin}{tables}\n{END}{after}")
        }
        None => markdown(report),
    };
    if env::var_os(UPDATE).is_some() {
        let written = fs::write(&path, &document).and_then(|()| match parts {
            Some(_) => Ok(()),
            None => fs::write(path.with_extension("html"), html(report)),
        });
        if let Err(error) = written {
            panic!("{} can't be written: {error}", path.display());
        }
        return;
    }
    if known == document {
        return;
    }
    let only_in = |one: &str, other: &str, sign: &str| {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        lines.take(6).fold(String::new(), |mut text, line| {
            let _ = write!(text, "\n{sign} {line}");
            text
        })
    };
    let removed = only_in(&known, &document, "-");
    let added = only_in(&document, &known, "+");
    panic!(
        "the ways of failing have changed: {} differs. If that is intended, run the test with {UPDATE}=1 and read the difference.{removed}{added}",
        path.display()
    );
}

/// The tables of a report, with their titles.
fn tables(report: &MatrixReport) -> Vec<(&'static str, Table)> {
    let mut steps: Vec<&Target> = Vec::new();
    let mut waits: Vec<&Target> = Vec::new();
    let mut undoing: Vec<&Target> = Vec::new();
    for ran in &report.ran {
        for planned in &ran.case.0 {
            let known = match planned.target.waits {
                Some(_) => &mut waits,
                None if planned.target.is_undoing => &mut undoing,
                None => &mut steps,
            };
            if !known.contains(&&planned.target) {
                known.push(&planned.target);
            }
        }
    }
    // In the order of the way without a fault; then the calls of other branches.
    let plain = report.ran.first().map(|ran| &*ran.targets);
    let plain = plain.unwrap_or_default();
    let order = |target: &&Target| {
        let place = plain.iter().position(|(known, _)| known == *target);
        place.unwrap_or(usize::MAX)
    };
    steps.sort_by_key(order);
    waits.sort_by_key(order);
    let mut tables = vec![("A step fails", grid(report, &steps, &FAULTS, name))];
    if !waits.is_empty() {
        let table = grid(report, &waits, &EVENT_FAULTS, wait_words);
        tables.push(("A wait fails", table));
    }
    if !undoing.is_empty() {
        let mut head = vec!["compensation".to_owned()];
        let mut rows: Vec<Vec<String>> = undoing
            .iter()
            .map(|target| vec![format!("`{target}` of `{}`", target.call)])
            .collect();
        for (fault, when) in UNDOING_FAULTS {
            head.push(words(fault, when, true).to_owned());
            let matching = |ran: &&Ran, target: &Target| {
                let last = ran.case.0.last();
                last.is_some_and(|last| {
                    last.target == *target && last.fault == fault && last.when == when
                })
            };
            for (target, row) in undoing.iter().zip(&mut rows) {
                let mut ends: Vec<String> = Vec::new();
                for ran in report.ran.iter().filter(|ran| matching(ran, target)) {
                    let end = ran.end.state().to_string();
                    if !ends.contains(&end) {
                        ends.push(end);
                    }
                }
                row.push(if ends.is_empty() {
                    "–".to_owned()
                } else {
                    ends.join(" or ")
                });
            }
        }
        tables.push(("A compensation fails as well", Table { head, rows }));
    }
    tables
}

/// The table of these targets: the end of the saga after each fault.
fn grid(
    report: &MatrixReport,
    targets: &[&Target],
    faults: &[Fault],
    words: impl Fn(Fault) -> &'static str,
) -> Table {
    let mut head = vec!["fault".to_owned()];
    head.extend(targets.iter().map(|target| format!("`{target}`")));
    let mut rows = Vec::new();
    for &fault in faults {
        let cells = targets.iter().map(|target| {
            let single = report.ran.iter().filter(|ran| {
                let Some((last, before)) = ran.case.0.split_last() else {
                    return false;
                };
                last.target == **target
                    && last.fault == fault
                    && last.when == When::First
                    && before
                        .iter()
                        .all(|before| before.target != **target && !before.target.is_undoing)
            });
            let single = single.min_by_key(|ran| ran.case.0.len());
            single.map_or_else(|| "–".to_owned(), cell)
        });
        let cells: Vec<_> = cells.collect();
        if cells.iter().any(|cell| cell != "–") {
            rows.push([vec![words(fault).to_owned()], cells].concat());
        }
    }
    Table { head, rows }
}

/// The end of a case, in a few words.
fn cell(ran: &Ran) -> String {
    match ran.end.state() {
        State::Completed => "completes".to_owned(),
        State::Compensated => {
            let undone = ran.targets.iter().filter(|(target, _)| target.is_undoing);
            let undone: Vec<_> = undone.map(|(target, _)| format!("`{target}`")).collect();
            if undone.is_empty() {
                "nothing to undo".to_owned()
            } else {
                format!("undone by {}", undone.join(", "))
            }
        }
        state => state.to_string(),
    }
}

/// The report as a Markdown document.
fn markdown(report: &MatrixReport) -> String {
    format!(
        "# How `{}` fails\n\nThe end of the saga after each fault of each call. A test runs all {} cases and compares this file.\n{}",
        report.saga,
        report.cases(),
        markdown_tables(report, "##")
    )
}

/// The tables, with titles of this level.
fn markdown_tables(report: &MatrixReport, level: &str) -> String {
    let mut text = String::new();
    for (title, table) in tables(report) {
        let _ = write!(
            text,
            "\n{level} {title}\n\n| {} |\n|",
            table.head.join(" | ")
        );
        text.push_str(&"---|".repeat(table.head.len()));
        text.push('\n');
        for row in table.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
    text
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:76rem;padding:0 1rem;color:#1f2430;background:#fff}\
table{border-collapse:separate;border-spacing:3px;margin:1rem 0 2.5rem}th{font-weight:600;text-align:left;padding:.5rem .75rem}\
td{padding:.5rem .75rem;border-radius:6px;background:#f3f4f6;vertical-align:top}.completed{background:#d9f2e3}.compensated{background:#fdeecb}\
.stuck{background:#fbd9d9}.none{color:#9aa0ac}code{font:13px ui-monospace,monospace}\
@media(prefers-color-scheme:dark){body{background:#14171d;color:#e6e8ee}td{background:#22262f}.completed{background:#1c4a30}\
.compensated{background:#574518}.stuck{background:#5c2424}}";

/// The report as an HTML page.
fn html(report: &MatrixReport) -> String {
    let saga = escaped(report.saga);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n<title>How {saga} fails</title>\n<style>{STYLE}</style>\n<h1>How <code>{saga}</code> fails</h1>\n<p>The end of the saga after each fault of each call, in {} cases.</p>\n",
        report.cases()
    );
    for (title, table) in tables(report) {
        let _ = write!(page, "<h2>{title}</h2>\n<table>\n<tr>");
        for head in &table.head {
            let _ = write!(page, "<th scope=\"col\">{}</th>", code(head));
        }
        page.push_str("</tr>\n");
        for row in &table.rows {
            page.push_str("<tr>");
            for (number, cell) in row.iter().enumerate() {
                if number == 0 {
                    let _ = write!(page, "<th scope=\"row\">{}</th>", code(cell));
                } else {
                    let _ = write!(page, "<td class=\"{}\">{}</td>", class(cell), code(cell));
                }
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table>\n");
    }
    page.push_str("</html>\n");
    page
}

/// The style of a cell.
fn class(cell: &str) -> &'static str {
    if cell == "–" {
        "none"
    } else if cell.contains("stuck") {
        "stuck"
    } else if cell.starts_with("complete") {
        "completed"
    } else {
        "compensated"
    }
}

/// HTML of a text with names in backticks.
fn code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(number, part)| match number % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
