//! The sagas that an operator means, with a text form for URLs and shells.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::escaped::Escaped;
use crate::journal::{Condition, Filter, Record, State};
use crate::operator::Utc;

/// Which sagas an operator means. By default all of them.
///
/// Its text form is a list of words, which `Display` writes and `FromStr` reads:
///
/// | word | meaning |
/// |---|---|
/// | `state=stuck` | in this [`State`], or in this [`Standing`]: `failing`, `queued`, `awaits_event`, `awaits_time`, `misfit`, `unregistered` |
/// | `name=place_order` | of this definition |
/// | `version=2` | of this version of its definition |
/// | `id=order-` | the id begins with this |
/// | `step=charge` | the step that is in doubt, or that fails or has failed |
/// | `code=compensation_failed` | the code of the reason why it is stuck, fails or is undone |
/// | `text="no courier"` | the text of that reason has this in it, in capitals or not |
/// | `from=2026-11-29T03:00:00Z`, `before=…` | started in this time |
/// | `age=2h` | started at least so long ago: `s`, `m`, `h` or `d` |
///
/// ```
/// use saga_runtime::operator::SagaQuery;
///
/// let query: SagaQuery = r#"state=stuck text="no courier" age=90m"#.parse()?;
/// assert_eq!(query.text.as_deref(), Some("no courier"));
/// assert_eq!(query.to_string(), r#"state=stuck text="no courier" age=90m"#);
/// # Ok::<(), saga_runtime::operator::QueryError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct SagaQuery {
    /// Only sagas that stand so.
    pub state: Option<Standing>,
    /// Only sagas of this definition.
    pub name: Option<String>,
    /// Only sagas of this version of their definition.
    pub version: Option<u32>,
    /// Only sagas whose id begins with this.
    pub id: Option<String>,
    /// Only sagas in [trouble](crate::operator::Trouble) with this step.
    pub step: Option<String>,
    /// Only sagas in trouble for a reason with this code.
    pub code: Option<String>,
    /// Only sagas in trouble for a reason whose text has this in it.
    pub text: Option<String>,
    /// Only sagas that were started at this time or later.
    pub from: Option<SystemTime>,
    /// Only sagas that were started before this time.
    pub before: Option<SystemTime>,
    /// Only sagas that were started at least so long ago.
    pub age: Option<Duration>,
    /// Goes on after this page: [`SagaList::next`](crate::operator::SagaList::next). It is not part of the text.
    pub after: Option<u64>,
    /// The size of a page. It is not part of the text.
    pub limit: usize,
}

/// How a saga stands: in a state, or in a state and for a certain reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It is in this state.
    In(State),
    /// A step of it fails, and is attempted again.
    Failing,
    /// It can go on, and waits for a worker with a free slot.
    Queued,
    /// It waits for an event.
    AwaitsEvent,
    /// It sleeps until a time.
    AwaitsTime,
    /// It waits, and will be stuck when it wakes: it does not fit its definition. Only the service knows.
    Misfit,
    /// It waits, and its name or version is not registered. Only the service knows.
    Unregistered,
}

impl Standing {
    /// The standings that are no states.
    const OTHERS: [Self; 6] = [
        Self::Failing,
        Self::Queued,
        Self::AwaitsEvent,
        Self::AwaitsTime,
        Self::Misfit,
        Self::Unregistered,
    ];

    /// The state to ask a journal for, if one state has all of them.
    fn state(self) -> Option<State> {
        match self {
            Self::In(state) => Some(state),
            Self::Failing => None,
            _ => Some(State::Waiting),
        }
    }

    /// Returns whether a saga in this condition stands so, as far as the journal has not said it.
    fn is(self, condition: Condition) -> bool {
        match self {
            Self::In(_) | Self::Failing => true,
            Self::Queued => condition == Condition::Queued,
            Self::AwaitsEvent => condition == Condition::AwaitsEvent,
            Self::AwaitsTime => matches!(condition, Condition::AwaitsTime(_)),
            Self::Misfit => condition == Condition::Misfit,
            Self::Unregistered => condition == Condition::Unregistered,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::In(state) => state.name(),
            Self::Failing => "failing",
            Self::Queued => "queued",
            Self::AwaitsEvent => "awaits_event",
            Self::AwaitsTime => "awaits_time",
            Self::Misfit => "misfit",
            Self::Unregistered => "unregistered",
        })
    }
}

/// The words of a query, in the order in which they are written.
const WORDS: &str = "state, name, version, id, step, code, text, from, before, age";

impl Default for SagaQuery {
    fn default() -> Self {
        Self {
            state: None,
            name: None,
            version: None,
            id: None,
            step: None,
            code: None,
            text: None,
            from: None,
            before: None,
            age: None,
            after: None,
            limit: 50,
        }
    }
}

impl SagaQuery {
    /// Goes on after a page: its [`next`](crate::operator::SagaList::next).
    pub fn after(mut self, next: Option<u64>) -> Self {
        self.after = next;
        self
    }

    /// Sets the size of a page; 50 if nothing is said. At least 1, at most 1,000.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, 1000);
        self
    }

    /// Returns whether the journal alone can't tell which sagas it admits.
    pub(super) fn needs_trouble(&self) -> bool {
        self.step.is_some() || self.code.is_some() || self.text.is_some()
    }

    /// The part of the query that a journal can answer.
    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::default().limit(self.limit);
        filter.state = self.state.and_then(Standing::state);
        filter.failing = self.state == Some(Standing::Failing);
        filter.name.clone_from(&self.name);
        filter.version = self.version;
        filter.id_prefix.clone_from(&self.id);
        filter.started_from = self.from;
        let young = self
            .age
            .and_then(|age| Clock::default().now().checked_sub(age));
        filter.started_before = match (self.before, young) {
            (Some(before), Some(young)) => Some(before.min(young)),
            (before, young) => before.or(young),
        };
        filter.trouble.step.clone_from(&self.step);
        filter.trouble.code.clone_from(&self.code);
        filter.trouble.text.clone_from(&self.text);
        filter.after = self.after;
        filter
    }

    /// Returns whether a journal can tell by the filter alone which sagas the query admits.
    pub(super) fn is_its_filter(&self) -> bool {
        !self.needs_trouble()
            && self
                .state
                .is_none_or(|state| matches!(state, Standing::In(_) | Standing::Failing))
    }

    /// Returns whether the query admits a record, as far as a journal does not answer that, and the trouble does not matter.
    pub(super) fn admits(&self, record: &Record) -> bool {
        self.state.is_none_or(|state| state.is(record.condition()))
    }

    /// Returns whether only the service, with its code, can answer it.
    pub(super) fn needs_service(&self) -> bool {
        matches!(self.state, Some(Standing::Misfit | Standing::Unregistered))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), QueryError> {
        let invalid = |expected| QueryError::Invalid {
            word: format!("{key}={value}"),
            expected,
        };
        let time = |value: &str| value.parse::<Utc>().map(|time| Some(time.0));
        match key {
            "state" => {
                let mut others = Standing::OTHERS.into_iter();
                let other = others.find(|other| other.to_string() == value);
                let state = other.or_else(|| value.parse().ok().map(Standing::In));
                self.state = Some(state.ok_or_else(|| invalid(STATES))?);
            }
            "name" => self.name = Some(value.to_owned()),
            "version" => self.version = Some(value.parse().map_err(|_| invalid("a number"))?),
            "id" => self.id = Some(value.to_owned()),
            "step" => self.step = Some(value.to_owned()),
            "code" => self.code = Some(value.to_owned()),
            "text" => self.text = Some(value.to_owned()),
            "from" => self.from = time(value).map_err(|()| invalid(TIME))?,
            "before" => self.before = time(value).map_err(|()| invalid(TIME))?,
            "age" => self.age = Some(duration(value).ok_or_else(|| invalid(AGE))?),
            _ => return Err(QueryError::Unknown(key.to_owned())),
        }
        Ok(())
    }
}

const STATES: &str = "waiting, running, compensating, stuck, completed, compensated, abandoned, failing, queued, awaits_event, \
                      awaits_time, misfit or unregistered";
const TIME: &str = "a time in UTC such as 2026-11-29T03:00:00Z";
const AGE: &str = "an age such as 30s, 15m, 2h or 3d";

/// The error of a text that is no [`SagaQuery`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A word has another form.
    #[error("`{}` is no filter: write `key=value`, with one of these keys: {WORDS}", Escaped(.0))]
    NoPair(String),
    /// There is no such key.
    #[error("there is no filter `{}`; these are: {WORDS}", Escaped(.0))]
    Unknown(String),
    /// The value is not what the key needs.
    #[error("`{}` is no filter: expected {expected}", Escaped(.word))]
    Invalid {
        /// The word.
        word: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A quote is not closed.
    #[error("a quote is opened and not closed")]
    OpenQuote,
}

impl FromStr for SagaQuery {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for word in words(text)? {
            let Some((key, value)) = word.split_once('=') else {
                return Err(QueryError::NoPair(word));
            };
            query.set(key, value)?;
        }
        Ok(query)
    }
}

/// Splits a text at spaces that stand in no quotes. `\` in quotes takes the next character as it is.
fn words(text: &str) -> Result<Vec<String>, QueryError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(QueryError::OpenQuote)? {
                        '"' => break,
                        '\\' => word.push(characters.next().ok_or(QueryError::OpenQuote)?),
                        other => word.push(other),
                    }
                }
            }
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A value of a query, in quotes if it needs them.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_special = |character: char| character.is_whitespace() || character == '"';
        if !self.0.is_empty() && !self.0.contains(is_special) {
            return f.write_str(self.0);
        }
        write!(
            f,
            "\"{}\"",
            self.0.replace('\\', "\\\\").replace('"', "\\\"")
        )
    }
}

impl fmt::Display for SagaQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("state", self.state.map(|state| state.to_string())),
            ("name", self.name.clone()),
            ("version", self.version.map(|version| version.to_string())),
            ("id", self.id.clone()),
            ("step", self.step.clone()),
            ("code", self.code.clone()),
            ("text", self.text.clone()),
            ("from", self.from.map(|time| Utc(time).to_string())),
            ("before", self.before.map(|time| Utc(time).to_string())),
            ("age", self.age.map(in_units)),
        ];
        let mut separator = "";
        for (key, value) in texts {
            if let Some(value) = value {
                write!(f, "{separator}{key}={}", Quoted(&value))?;
                separator = " ";
            }
        }
        Ok(())
    }
}

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// Reads `90m`.
fn duration(text: &str) -> Option<Duration> {
    UNITS.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(*seconds)?))
    })
}

/// Writes a duration in the largest unit that is exact.
fn in_units(age: Duration) -> String {
    let age = age.as_secs();
    let fits = |(_, seconds): &&(&str, u64)| age.is_multiple_of(*seconds);
    let (unit, seconds) = UNITS.iter().find(fits).unwrap_or(&("s", 1));
    format!("{}{unit}", age / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_is_written() {
        for text in [
            "",
            "state=stuck",
            "state=queued",
            "state=awaits_event",
            "state=awaits_time",
            "state=misfit",
            "state=unregistered",
            "state=failing name=place_order version=2 id=order- step=pack/charge code=error",
            r#"text="the \"bank\" is \\ closed" from=2026-11-29T03:00:00Z before=2026-11-30T00:00:00Z age=90m"#,
            r#"name="""#,
        ] {
            let query: SagaQuery = text.parse().expect("it is a query");
            assert_eq!(query.to_string(), text);
        }
    }

    #[test]
    fn an_error_says_which_word_is_wrong_and_what_is_right() {
        for (text, expected) in [
            ("stuck", "`stuck` is no filter: write `key=value`"),
            (
                "status=stuck",
                "there is no filter `status`; these are: state, name",
            ),
            ("state=broken", "expected waiting, running"),
            ("age=soon", "expected an age such as 30s"),
            ("from=noon", "expected a time in UTC"),
            ("text=\"no", "a quote is opened"),
        ] {
            let error = text
                .parse::<SagaQuery>()
                .expect_err("it is wrong")
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
