//! The name of the table of answers, checked so that it can stand in a statement.

use thiserror::Error;

/// The name of a table, with or without the schema that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    schema: Option<String>,
    name: String,
}

/// The error for a text that names no table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no table: a name has 1 to {MAX_BYTES} lower-case letters, digits and underscores, none of the digits \
     first, and at most one schema and a dot before it"
)]
pub struct InvalidTable(String);

/// Postgres cuts names at 63 bytes, and the name of the index is longer than that of the table.
const MAX_BYTES: usize = 48;

/// The name of a table that is given no other one.
pub(crate) const DEFAULT: &str = "participant_answers";

impl Default for Table {
    fn default() -> Self {
        Self {
            schema: None,
            name: DEFAULT.to_owned(),
        }
    }
}

impl Table {
    /// Takes `table` or `schema.table`.
    pub(crate) fn new(text: &str) -> Result<Self, InvalidTable> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if schema.is_none_or(is_name) && is_name(name) {
            Ok(Self {
                schema: schema.map(str::to_owned),
                name: name.to_owned(),
            })
        } else {
            Err(InvalidTable(text.to_owned()))
        }
    }

    /// The table, as it stands in a statement.
    pub(crate) fn quoted(&self) -> String {
        format!("{}{}", self.schema_prefix(), self.quoted_name())
    }

    /// The table without its schema.
    pub(crate) fn quoted_name(&self) -> String {
        format!("\"{}\"", self.name)
    }

    /// The index over the times of the answers, without a schema.
    pub(crate) fn quoted_index(&self) -> String {
        format!("\"{}_by_time\"", self.name)
    }

    /// The schema and a dot, or nothing.
    pub(crate) fn schema_prefix(&self) -> String {
        match &self.schema {
            Some(schema) => format!("\"{schema}\"."),
            None => String::new(),
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    (1..=MAX_BYTES).contains(&text.len())
        && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_name() {
        assert_eq!(Table::new(DEFAULT), Ok(Table::default()));
    }

    #[test]
    fn a_name_is_quoted_with_its_schema() {
        let quoted = |text| Table::new(text).map(|table| table.quoted());
        assert_eq!(quoted("answers").as_deref(), Ok(r#""answers""#));
        assert_eq!(
            quoted("billing.answers_2").as_deref(),
            Ok(r#""billing"."answers_2""#)
        );
    }

    #[test]
    fn a_text_that_could_end_a_name_is_none() {
        let too_long = "a".repeat(MAX_BYTES + 1);
        for text in [
            "", ".", "a.", ".a", "a.b.c", "a b", "a\"b", "a;b", "A", "ü", "2a", "a-b", "a\0",
            &too_long,
        ] {
            Table::new(text).expect_err(text);
        }
    }
}
