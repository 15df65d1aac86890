//! The sagas that words mean: one by its id, or many by a filter.

use anyhow::{anyhow, bail};
use saga_runtime::engine::Escaped;
use saga_runtime::operator::SagaQuery;

use crate::arguments::{self, Selection};

/// What words mean.
pub(crate) enum Meant<'a> {
    /// The saga with this id.
    One(&'a str),
    /// The sagas that a filter admits.
    Many(SagaQuery),
}

/// Reads words. One alone is an id if it has no `=`, or if `--id` says so.
pub(crate) fn meant(words: &[String], is_id: bool) -> anyhow::Result<Meant<'_>> {
    match words {
        [id] if is_id || !id.contains('=') => Ok(Meant::One(id)),
        _ if is_id => bail!("`--id` takes the id of one saga"),
        [word] => {
            let query = query(words).map_err(|error| {
                let word = Escaped(word);
                anyhow!("{error}; if `{word}` is the id of a saga, add `--id`")
            })?;
            Ok(Meant::Many(query))
        }
        _ => Ok(Meant::Many(query(words)?)),
    }
}

/// Reads the words of a command, which an empty variable of a shell must not widen.
pub(crate) fn steered(selection: &Selection) -> anyhow::Result<Meant<'_>> {
    if selection.all {
        return Ok(Meant::Many(SagaQuery::default()));
    }
    let meant = meant(&selection.sagas, selection.id)?;
    if let Meant::Many(query) = &meant {
        if *query == SagaQuery::default() {
            bail!("{}", arguments::NO_FILTER);
        }
        if let Some(key) = without_value(query) {
            bail!("`{key}=` has no value: give it one, or leave it out");
        }
    }
    Ok(meant)
}

/// The key of a word without a value. Every id begins with it, and every text has it.
fn without_value(query: &SagaQuery) -> Option<&'static str> {
    let values = [
        ("name", &query.name),
        ("id", &query.id),
        ("step", &query.step),
        ("code", &query.code),
        ("text", &query.text),
    ];
    let is_empty = |(_, value): &(_, &Option<String>)| value.as_deref() == Some("");
    values.into_iter().find(is_empty).map(|(key, _)| key)
}

/// The filter that words are.
pub(crate) fn query(words: &[String]) -> anyhow::Result<SagaQuery> {
    Ok(arguments::filter(words).parse()?)
}
