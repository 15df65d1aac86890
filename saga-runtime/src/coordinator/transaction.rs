//! The start of a saga in a transaction of the caller's own.

use std::sync::Arc;

use serde::Serialize;
use sqlx::PgConnection;

use crate::coordinator::Coordinator;
use crate::coordinator::error::{Rejected, SubmitError};
use crate::coordinator::handle::Handle;
use crate::coordinator::submit::is_same;
use crate::id::{InvalidSagaId, SagaId};
use crate::journal::Started;
use crate::panic::drop_caught;
use crate::run::Saga;

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Starts a saga in a transaction of the caller's, in the database of the journal: it starts if and only if the transaction
    /// commits. So the caller's own rows and the saga are both there or both not, wherever the process ends.
    ///
    /// ```no_run
    /// # use saga_runtime::{Context, Coordinator, saga, step};
    /// # #[step(compensate = ())] async fn charge(_: Context<'_, ()>) -> Result<u32, String> { Ok(1) }
    /// # saga!(async fn place_order(cx: Context<'_, ()>) -> Result<u32, String> { let paid = charge(cx).await?; Ok(paid) });
    /// # async fn order(pool: sqlx::PgPool, coordinator: Coordinator<()>) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut transaction = pool.begin().await?;
    /// sqlx::query("INSERT INTO orders (id) VALUES (17)").execute(&mut *transaction).await?;
    /// let handle = coordinator.submit_in(&mut transaction, "order-17", PlaceOrder {}).await?;
    /// transaction.commit().await?;
    /// let receipt = handle.wait().await?;
    /// # let _ = receipt; Ok(()) }
    /// ```
    ///
    /// After the commit the saga waits in the journal, and any process that has it registered claims it at once: the commit tells all
    /// of them. If a saga with this id, name and input exists, this returns a handle of that one. If another transaction has started
    /// one and is still open, this waits for the end of that transaction.
    ///
    /// Wait for the handle after the commit. Before it, and after a rollback, [`wait`](Handle::wait) answers
    /// [`SubmitError::NotCommitted`].
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit). [`SubmitError::Journal`] also if the journal is not in Postgres, and if the isolation of the
    /// transaction is stricter than `READ COMMITTED` and a saga with this id was started beside it. After an error of the database
    /// the transaction can only be rolled back.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have started the saga in the transaction. It is safe to repeat the call.
    pub async fn submit_in<G, I>(
        &self,
        transaction: &mut PgConnection,
        id: I,
        saga: G,
    ) -> Result<Handle<S, G>, SubmitError>
    where
        G: Saga<Services = S> + Serialize,
        I: TryInto<SagaId>,
        I::Error: Into<InvalidSagaId>,
    {
        let id = id.try_into().map_err(|error| Rejected::Id(error.into()))?;
        let submitting = self.submitting::<G>(&id);
        let trace = submitting.context.clone();
        let (new, saga, definition) = self.inner.prepare(id.clone(), saga, trace).await?;
        // It runs from its record, wherever it is claimed.
        drop_caught(saga);
        let input = new.input.clone();
        match self.inner.journal.start_in(transaction, new).await? {
            Started::New(_) => {}
            Started::Existing(record) => is_same::<S, G>(&id, *record, &*definition, &input)?,
        }
        Ok(Handle::in_transaction(Arc::clone(&self.inner), id))
    }
}
