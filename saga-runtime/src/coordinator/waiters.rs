//! The callers that wait for a saga to end: the one that started it gets the typed answer, any other reads the journal.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use crate::coordinator::answer::Answer;
use crate::id::SagaId;
use crate::lock::lock;
use crate::panic::caught;
use crate::run::Saga;

/// The callers that wait, by saga.
#[derive(Default)]
pub(super) struct Waiters {
    /// The callers to wake when a saga ends or is released. They then read the journal.
    waiting: Mutex<HashMap<SagaId, Arc<Notify>>>,
    senders: Mutex<Senders>,
}

/// The [`AnswerSender`]s of sagas that do not run right now, type-erased: a running saga's task holds its own.
///
/// A saga may end in another process, and its caller then reads the journal. What is left here goes when there are twice as many
/// as callers that waited.
#[derive(Default)]
struct Senders {
    by_id: HashMap<SagaId, Box<dyn KeptSender>>,
    /// The number of them after which those without a caller are dropped.
    many: usize,
}

impl Senders {
    /// How many are kept without a look at their callers.
    const FEW: usize = 16;

    fn insert(&mut self, id: &SagaId, sender: Box<dyn KeptSender>) {
        if self.by_id.len() >= self.many.max(Self::FEW) {
            self.by_id.retain(|_, sender| !sender.is_closed());
            self.many = 2 * self.by_id.len();
        }
        self.by_id.insert(id.clone(), sender);
    }
}

/// An [`AnswerSender`] of some saga.
trait KeptSender: Any + Send {
    /// Returns whether the caller has stopped waiting.
    fn is_closed(&self) -> bool;
}

impl<G: Saga> KeptSender for AnswerSender<G> {
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl Waiters {
    /// Registers a caller that wakes up when the saga ends or is released.
    pub(super) fn wait(&self, id: &SagaId) -> Waiter<'_> {
        let ended = Arc::clone(lock(&self.waiting).entry(id.clone()).or_default());
        Waiter {
            waiters: self,
            id: id.clone(),
            ended,
        }
    }

    /// Wakes the callers that wait for a saga that has ended or was released.
    pub(super) fn wake(&self, id: &SagaId) {
        if let Some(ended) = lock(&self.waiting).get(id) {
            ended.notify_waiters();
        }
    }

    /// Registers a waiter for the typed answer of a saga that has to wait for a free slot. `None` if there is one
    /// already.
    pub(super) fn register<G: Saga>(&self, id: &SagaId) -> Option<oneshot::Receiver<Answer<G>>> {
        let mut senders = lock(&self.senders);
        if senders.by_id.contains_key(id) {
            return None;
        }
        let (sender, answer) = AnswerSender::<G>::channel();
        senders.insert(id, Box::new(sender));
        Some(answer)
    }

    /// Keeps the sender of a saga that is suspended, if its caller still waits.
    pub(super) fn keep<G: Saga>(&self, id: &SagaId, sender: AnswerSender<G>) {
        if !sender.is_closed() {
            lock(&self.senders).insert(id, Box::new(sender));
        }
    }

    /// Removes and returns the sender of a saga that is about to run.
    pub(super) fn take_sender<G: Saga>(&self, id: &SagaId) -> Option<AnswerSender<G>> {
        let sender: Box<dyn Any> = lock(&self.senders).by_id.remove(id)?;
        sender.downcast().ok().map(|sender| *sender)
    }

    /// Drops the sender of a saga that will not run here. Its receiver then falls back to the journal.
    pub(super) fn drop_sender(&self, id: &SagaId) {
        lock(&self.senders).by_id.remove(id);
    }

    /// Drops all senders and wakes all callers: no saga runs here any more.
    pub(super) fn close(&self) {
        lock(&self.senders).by_id.clear();
        for ended in lock(&self.waiting).values() {
            ended.notify_waiters();
        }
    }
}

/// The sending end of a caller's wait for the typed answer of the saga that it started.
pub(super) struct AnswerSender<G: Saga>(oneshot::Sender<Answer<G>>);

impl<G: Saga> AnswerSender<G> {
    pub(super) fn channel() -> (Self, oneshot::Receiver<Answer<G>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers the caller, unless it has stopped waiting.
    pub(super) fn send(self, answer: Answer<G>) {
        // Without a caller the answer is dropped here.
        let _ = caught(|| drop(self.0.send(answer)));
    }
}

/// A registered caller. Dropping it removes the registration.
pub(super) struct Waiter<'a> {
    waiters: &'a Waiters,
    id: SagaId,
    /// Notified when the saga has ended or was released.
    pub(super) ended: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiters.waiting);
        // Only the map and this waiter hold it: no other caller waits.
        if Arc::strong_count(&self.ended) == 2 {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender whose caller has stopped waiting, or not.
    struct Sender(bool);

    impl KeptSender for Sender {
        fn is_closed(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn senders_of_sagas_that_have_ended_elsewhere_are_not_kept() {
        let mut senders = Senders::default();
        for number in 0..10_000 {
            let id = SagaId::new(format!("order-{number}")).expect("a short text");
            let is_closed = number % 100 != 0;
            senders.insert(&id, Box::new(Sender(is_closed)));
        }
        let waiting = senders.by_id.values().filter(|one| !one.is_closed());
        assert_eq!(waiting.count(), 100);
        assert!(senders.by_id.len() <= 300, "{}", senders.by_id.len());
    }
}
