//! A journal of Restate as text, without times and ids.

use std::fmt::Write as _;

use serde_json::Value;

/// One line for each entry. The results of members of a group may be recorded in any order. An attempt without a result is
/// left out: Restate may have its entry or not.
pub(super) fn journal(rows: &[Value], has_group: bool) -> String {
    let entries = rows.iter().map(entry);
    let entries: Vec<_> = entries.collect();
    let results: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry["Notification"]["Completion"]["Run"]["completion_id"].as_u64())
        .collect();
    let has_result = |entry: &Value| match entry["Command"]["Run"]["completion_id"].as_u64() {
        Some(id) => results.contains(&id),
        None => true,
    };
    let lines = rows
        .iter()
        .zip(&entries)
        .filter(|(_, entry)| has_result(entry));
    let mut lines: Vec<_> = lines.map(|(row, entry)| line(row, entry)).collect();
    if has_group {
        lines.sort();
    }
    let mut text = String::new();
    for line in lines {
        writeln!(text, "  {line}").expect("it is a text");
    }
    text
}

fn entry(row: &Value) -> Value {
    let entry = row["entry_json"].as_str().expect("it is a text");
    serde_json::from_str(entry).expect("it is JSON")
}

fn line(row: &Value, entry: &Value) -> String {
    let kind = row["entry_type"].as_str().expect("it is a text");
    let mut line = kind.to_owned();
    parts(entry, "", &mut line);
    line
}

/// Adds the parts of an entry that this library has given to Restate.
fn parts(value: &Value, name: &str, line: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                parts(value, name, line);
            }
        }
        Value::Array(bytes) if matches!(name, "Success" | "payload") => {
            let bytes = bytes
                .iter()
                .filter_map(Value::as_u64)
                .filter_map(|byte| u8::try_from(byte).ok());
            let json: Option<Value> = serde_json::from_slice(&bytes.collect::<Vec<_>>()).ok();
            match json {
                Some(json) => write!(line, " {}", timeless(json)).expect("it is a text"),
                None => line.push_str(" (no JSON)"),
            }
        }
        Value::Array(headers) if name == "headers" => {
            let ours = headers.iter().filter_map(|header| header["name"].as_str());
            for header in ours.filter(|header| header.starts_with("saga")) {
                write!(line, " {header}").expect("it is a text");
            }
        }
        Value::String(text) if matches!(name, "name" | "key" | "message") && !text.is_empty() => {
            write!(line, " {text:?}").expect("it is a text");
        }
        _ => {}
    }
}

/// Replaces times and ids.
fn timeless(mut json: Value) -> Value {
    if let Value::Object(fields) = &mut json {
        for (name, value) in fields {
            if matches!(&**name, "at" | "invocation" | "by") {
                *value = "…".into();
            }
        }
    }
    json
}
