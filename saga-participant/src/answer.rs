//! The standing of a key: its first request, a repetition, or cancelled.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{SqlStr, Transaction};

use crate::database::{Database, Row, State};
use crate::error::Error;

/// The standing of a request, from [`Participant::begin`](crate::Participant::begin).
///
/// `T` is what the request returns, `E` is a refusal that is remembered.
#[derive(Debug)]
#[must_use = "a request that is not the first must not be carried out"]
pub enum Begun<T, E> {
    /// The request came for the first time: carry it out in this transaction, record its answer, commit.
    First(First<T, E>),
    /// The request was answered before: return this answer, and do nothing.
    Repeated(Result<T, E>),
    /// The request was cancelled, perhaps before it came: refuse it.
    Cancelled,
}

/// The standing of the request that a compensation undoes, from [`Participant::cancel`](crate::Participant::cancel).
///
/// In each case, commit: a request that comes later is refused then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an answered request must be undone in this transaction"]
pub enum Cancellation<T> {
    /// The request was carried out, with this answer: undo it in this transaction.
    Undo(T),
    /// The request never came, or was refused: nothing is to be undone.
    NothingToUndo,
    /// The request was cancelled before, and undone with that.
    AlreadyCancelled,
}

/// The permission to carry a request out, and the place for its answer.
///
/// Without an answer the transaction must not be committed: repetitions get [`Error::Unanswered`] then.
#[must_use = "a transaction without an answer must be rolled back"]
pub struct First<T, E> {
    key: String,
    settle: SqlStr,
    answers: PhantomData<fn(&T, &E)>,
}

impl<T, E> First<T, E> {
    pub(crate) fn new(key: &str, settle: SqlStr) -> Self {
        Self {
            key: key.to_owned(),
            settle,
            answers: PhantomData,
        }
    }

    /// Records what the request returns. Once `transaction` is committed, every repetition returns the same.
    ///
    /// # Errors
    /// [`Error::Unrecordable`], [`Error::Database`].
    pub async fn answer<DB: Database>(
        self,
        transaction: &mut Transaction<'_, DB>,
        answer: &T,
    ) -> Result<(), Error>
    where
        T: Serialize,
    {
        let answer = serde_json::to_string(answer).map_err(Error::Unrecordable)?;
        self.settle(transaction, State::Answered, answer).await
    }

    /// Records that the request is refused, for good. Once `transaction` is committed, every repetition is refused for
    /// the same reason. To let a repetition try anew, roll back instead.
    ///
    /// # Errors
    /// [`Error::Unrecordable`], [`Error::Database`].
    pub async fn refuse<DB: Database>(
        self,
        transaction: &mut Transaction<'_, DB>,
        refusal: &E,
    ) -> Result<(), Error>
    where
        E: Serialize,
    {
        let refusal = serde_json::to_string(refusal).map_err(Error::Unrecordable)?;
        self.settle(transaction, State::Refused, refusal).await
    }

    async fn settle<DB: Database>(
        self,
        transaction: &mut Transaction<'_, DB>,
        state: State,
        answer: String,
    ) -> Result<(), Error> {
        let Self { key, settle, .. } = self;
        DB::settle(transaction, settle, &key, state, Some(&answer)).await?;
        Ok(())
    }
}

impl<T, E> fmt::Debug for First<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("First")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The standing of a repeated request, from the row of its key.
pub(crate) fn repeated<T, E>(row: Row, request: Option<&str>) -> Result<Begun<T, E>, Error>
where
    T: DeserializeOwned,
    E: DeserializeOwned,
{
    let reused = matches!((request, row.request), (Some(now), Some(then)) if now != then);
    match row.state {
        State::Cancelled => Ok(Begun::Cancelled),
        _ if reused => Err(Error::KeyReused),
        State::Begun => Err(Error::Unanswered),
        State::Answered => read(row.answer).map(|answer| Begun::Repeated(Ok(answer))),
        State::Refused => read(row.answer).map(|refusal| Begun::Repeated(Err(refusal))),
    }
}

/// The standing of a request that is cancelled now, from the row of its key.
pub(crate) fn cancelled<T: DeserializeOwned>(row: Row) -> Result<Cancellation<T>, Error> {
    match row.state {
        State::Cancelled => Ok(Cancellation::AlreadyCancelled),
        State::Begun => Err(Error::Unanswered),
        State::Answered => read(row.answer).map(Cancellation::Undo),
        State::Refused => Ok(Cancellation::NothingToUndo),
    }
}

fn read<A: DeserializeOwned>(answer: Option<String>) -> Result<A, Error> {
    serde_json::from_str(&answer.unwrap_or_default()).map_err(Error::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: State, answer: Option<&str>, request: Option<&str>) -> Row {
        Row {
            state,
            answer: answer.map(str::to_owned),
            request: request.map(str::to_owned),
        }
    }

    fn begin(row: Row, request: Option<&str>) -> Result<Begun<i64, String>, Error> {
        repeated(row, request)
    }

    #[test]
    fn a_repetition_gets_what_is_recorded() {
        let answered = begin(row(State::Answered, Some("17"), None), None);
        assert!(matches!(answered, Ok(Begun::Repeated(Ok(17)))));
        let refused = begin(row(State::Refused, Some("\"no\""), None), None);
        assert!(matches!(refused, Ok(Begun::Repeated(Err(reason))) if reason == "no"));
        let cancelled = begin(row(State::Cancelled, Some("17"), None), None);
        assert!(matches!(cancelled, Ok(Begun::Cancelled)));
        let unanswered = begin(row(State::Begun, None, None), None);
        assert!(matches!(unanswered, Err(Error::Unanswered)));
        let unreadable = begin(row(State::Answered, Some("\"17\""), None), None);
        assert!(matches!(unreadable, Err(Error::Unreadable(_))));
    }

    #[test]
    fn another_request_under_the_same_key_is_told_apart_when_both_say_what_they_ask() {
        let of = |then, now| begin(row(State::Answered, Some("17"), then), now);
        assert!(matches!(of(Some("a"), Some("b")), Err(Error::KeyReused)));
        for (then, now) in [(Some("a"), Some("a")), (None, Some("b")), (Some("a"), None)] {
            assert!(matches!(of(then, now), Ok(Begun::Repeated(Ok(17)))));
        }
        let cancelled = begin(row(State::Cancelled, None, Some("a")), Some("b"));
        assert!(matches!(cancelled, Ok(Begun::Cancelled)));
    }

    #[test]
    fn only_an_answered_request_is_undone() {
        let cancel = |state, answer| cancelled::<i64>(row(state, answer, None));
        let undo = cancel(State::Answered, Some("17"));
        assert!(matches!(undo, Ok(Cancellation::Undo(17))));
        let refused = cancel(State::Refused, Some("\"no\""));
        assert!(matches!(refused, Ok(Cancellation::NothingToUndo)));
        let again = cancel(State::Cancelled, Some("17"));
        assert!(matches!(again, Ok(Cancellation::AlreadyCancelled)));
        let unanswered = cancel(State::Begun, None);
        assert!(matches!(unanswered, Err(Error::Unanswered)));
    }
}
