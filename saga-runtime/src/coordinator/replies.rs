//! Where those wait who have started a saga that found no free slot: the typed answer reaches them once it has run.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::coordinator::task::{Answer, AnswerSender};
use crate::id::SagaId;
use crate::run::Saga;

/// The replies to those who wait, by the saga.
#[derive(Default)]
pub(super) struct Replies(Mutex<HashMap<SagaId, Box<dyn Any + Send>>>);

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replies").field(&self.lock().len()).finish()
    }
}

impl Replies {
    /// Somebody is about to start a saga that will wait. Nothing if somebody else is there already.
    pub(super) fn enter<G: Saga>(&self, id: &SagaId) -> Option<oneshot::Receiver<Answer<G>>> {
        let mut replies = self.lock();
        if replies.contains_key(id) {
            return None;
        }
        let (reply, answer) = AnswerSender::<G>::channel();
        replies.insert(id.clone(), Box::new(reply));
        Some(answer)
    }

    /// The saga does not run for a while: who waits for it, if anybody still does.
    pub(super) fn keep<G: Saga>(&self, id: &SagaId, reply: AnswerSender<G>) {
        if !reply.is_unheard() {
            self.lock().insert(id.clone(), Box::new(reply));
        }
    }

    /// The saga runs now: who waits for it.
    pub(super) fn take<G: Saga>(&self, id: &SagaId) -> Option<AnswerSender<G>> {
        let reply = self.lock().remove(id)?;
        reply.downcast().ok().map(|reply| *reply)
    }

    /// Nobody will be answered: the saga was not started, or does not run here.
    pub(super) fn remove(&self, id: &SagaId) {
        self.lock().remove(id);
    }

    /// Nothing runs here any more.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SagaId, Box<dyn Any + Send>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
