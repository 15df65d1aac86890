//! A coordinator that a test kills and starts again, like a process.

use std::fmt;
use std::ops::Deref;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;

use crate::coordinator::{Builder, Coordinator};
use crate::journal::Memory;
#[cfg(feature = "postgres")]
use crate::journal::Postgres;
#[cfg(feature = "sqlite")]
use crate::journal::Sqlite;

/// A [`Coordinator`] that a test kills and starts again.
///
/// ```
/// # use saga_runtime::{Context, saga, sleep, step};
/// # use std::time::Duration;
/// use saga_runtime::Coordinator;
/// use saga_runtime::journal::State;
/// use saga_runtime::testing::TestCoordinator;
/// # struct Shop;
/// # #[step(retriable)] async fn remind(_: Context<'_, Shop>) -> Result<(), String> { Ok(()) }
/// # saga!(async fn reminder(cx: Context<'_, Shop>) -> Result<(), String> {
/// #     sleep(cx, Duration::from_hours(72)).await;
/// #     remind(cx).await?;
/// #     Ok(())
/// # });
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a `#[tokio::test(start_paused = true)]`:
/// let mut shop = TestCoordinator::start(|| Coordinator::builder(Shop).register::<Reminder>()).await;
/// shop.submit("order-17", Reminder {}).await?;
/// shop.crash().await;
/// shop.restart().await;
/// // Three days pass in a moment.
/// shop.attach::<Reminder>("order-17").await?.wait().await?;
/// assert_eq!(shop.status("order-17").await?, Some(State::Completed));
/// # Ok(()) }
/// ```
///
/// On [`start`](Self::start), durable sleeps, the limits of events, back-offs, deadlines and leases follow the clock of tokio:
/// with paused time, days pass in a moment. It is a coordinator otherwise: it dereferences to one.
#[must_use]
pub struct TestCoordinator<S: ?Sized + Send + Sync + 'static> {
    coordinator: Coordinator<S>,
    settings: Box<dyn Fn() -> Builder<S> + Send + Sync>,
    journal: KeptJournal,
}

/// The place of the journal that outlives the coordinator.
enum KeptJournal {
    Memory(Memory),
    #[cfg(feature = "sqlite")]
    File(PathBuf),
    #[cfg(feature = "postgres")]
    Database(Postgres),
}

impl<S: ?Sized + Send + Sync + 'static> TestCoordinator<S> {
    /// Starts a coordinator with these settings on a new journal in memory, whose clock follows the clock of tokio.
    ///
    /// # Panics
    /// If the settings are refused, or outside of a tokio runtime.
    pub async fn start(settings: impl Fn() -> Builder<S> + Send + Sync + 'static) -> Self {
        let journal = KeptJournal::Memory(Memory::in_tokio_time());
        Self::start_on(journal, Box::new(settings)).await
    }

    /// Starts a coordinator with these settings on the journal in this file, by the clock of the system.
    ///
    /// # Panics
    /// If the settings are refused, if the file can't be opened, or outside of a tokio runtime.
    #[cfg(feature = "sqlite")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    pub async fn start_in_file(
        path: impl Into<PathBuf>,
        settings: impl Fn() -> Builder<S> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(KeptJournal::File(path.into()), Box::new(settings)).await
    }

    /// Starts a coordinator with these settings on this journal, by the clock of its database. The coordinators of a test are the only
    /// ones in the schema: a [`restart`](Self::restart) ends the leases of all.
    ///
    /// # Panics
    /// If the settings are refused, or outside of a tokio runtime.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub async fn start_in_postgres(
        journal: Postgres,
        settings: impl Fn() -> Builder<S> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(KeptJournal::Database(journal), Box::new(settings)).await
    }

    async fn start_on(
        journal: KeptJournal,
        settings: Box<dyn Fn() -> Builder<S> + Send + Sync>,
    ) -> Self {
        Self {
            coordinator: journal.start(settings()).await,
            settings,
            journal,
        }
    }

    /// Ends all sagas of this coordinator where they are, as `SIGKILL` would. A journal in a file is free then. Code that a step
    /// has spawned, or that blocks a thread, goes on: it is outside of the coordinator.
    ///
    /// Callers that wait for a saga get [`InProgress`](crate::ExecuteError::InProgress), and nothing starts until
    /// [`restart`](Self::restart).
    pub async fn crash(&self) {
        self.coordinator.crash().await;
    }

    /// Ends all sagas of this coordinator like [`crash`](Self::crash), at this poll of its tasks, counted from now. It returns when that has
    /// happened, which may be never: a saga has ended before. A test that counts up from 0 crashes a saga at each of its `await`s.
    ///
    /// ```
    /// # use saga_runtime::testing::{Script, TestCoordinator};
    /// # use saga_runtime::{Context, Coordinator, saga, step};
    /// # #[step(retriable)] async fn remind(cx: Context<'_, Script>) -> Result<(), String> { cx.ask("remind", cx.idempotency_key(), ()).await }
    /// # saga!(async fn reminder(cx: Context<'_, Script>) -> Result<(), String> { remind(cx).await?; Ok(()) });
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// for poll in 0.. {
    ///     let mail = Script::new();
    ///     let services = mail.clone();
    ///     let mut shop = TestCoordinator::start(move || Coordinator::builder(services.clone()).register::<Reminder>()).await;
    ///     let handle = shop.submit("order-17", Reminder {}).await.unwrap();
    ///     let crashed = tokio::select! {
    ///         () = shop.crash_at_poll(poll) => true,
    ///         // A caller of the killed process is told that the saga is in progress.
    ///         Ok(()) = handle.wait() => false,
    ///     };
    ///     shop.restart().await;
    ///     shop.execute("order-17", Reminder {}).await.unwrap();
    ///     assert_eq!(mail.effects(), ["order-17/remind/0"]);
    ///     if !crashed {
    ///         break;
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn crash_at_poll(&self, poll: u64) {
        self.coordinator.crash_at_poll(poll).await;
    }

    /// Starts the next coordinator on the same journal, with the same settings. The one before is killed, if it was not. The next one need
    /// not wait until the lease of a killed one runs out: sagas go on at once.
    ///
    /// # Panics
    /// If the journal can't be opened or reached, or outside of a tokio runtime.
    pub async fn restart(&mut self) {
        self.crash().await;
        self.journal.end_leases().await;
        self.coordinator = self.journal.start((self.settings)()).await;
    }
}

impl KeptJournal {
    /// The lease of a process that has ended holds nothing. The owner of a file has none.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_async, reason = "a database is asked")
    )]
    async fn end_leases(&self) {
        match self {
            Self::Memory(memory) => memory.end_leases(),
            #[cfg(feature = "sqlite")]
            Self::File(_) => {}
            #[cfg(feature = "postgres")]
            Self::Database(journal) => {
                if let Err(error) = journal.end_leases().await {
                    panic!("the database can't be reached: {error}");
                }
            }
        }
    }

    async fn start<S: ?Sized + Send + Sync + 'static>(
        &self,
        settings: Builder<S>,
    ) -> Coordinator<S> {
        let started = match self {
            Self::Memory(memory) => settings.journal(memory.clone()).start().await,
            #[cfg(feature = "sqlite")]
            Self::File(path) => match Sqlite::open(path).await {
                Ok(journal) => settings.journal(journal).start().await,
                Err(error) => panic!("the journal {} can't be opened: {error}", path.display()),
            },
            #[cfg(feature = "postgres")]
            Self::Database(journal) => settings.journal(journal.clone()).start().await,
        };
        match started {
            Ok(coordinator) => coordinator,
            Err(error) => panic!("the coordinator can't start: {error}"),
        }
    }
}

impl<S: ?Sized + Send + Sync + 'static> Deref for TestCoordinator<S> {
    type Target = Coordinator<S>;

    fn deref(&self) -> &Coordinator<S> {
        &self.coordinator
    }
}

impl<S: ?Sized + Send + Sync + 'static> fmt::Debug for TestCoordinator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCoordinator")
            .field("coordinator", &self.coordinator)
            .finish_non_exhaustive()
    }
}
