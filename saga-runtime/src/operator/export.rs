//! Whole histories as data: handed over one by one, and read again where there is no journal.

#[cfg(feature = "testing")]
use crate::id::SagaId;
#[cfg(feature = "testing")]
use crate::journal::{Damage, Entry, History, NewSaga, Record, Row, from_millis};
use crate::operator::{Operator, Refusal, SagaDetails, SagaQuery};

impl Operator {
    /// Hands over all sagas that a query admits with their whole histories, the newest first, and returns their number. As JSON, one
    /// line for each, they are test data: see `testing::replays`, of the feature `testing`.
    ///
    /// Without `payloads`, the inputs, outputs, errors and values of events are left out. Ids, names of steps, times and the messages of
    /// errors stay.
    ///
    /// ```
    /// # use saga_runtime::journal::Memory;
    /// # use saga_runtime::operator::{Operator, Refusal};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let journal = Memory::new();
    /// let operator = Operator::read_only(journal, "it is only read");
    /// let query = "name=place_order age=1h".parse()?;
    /// let mut lines = String::new();
    /// let export = operator.export(&query, true, |saga| {
    ///     lines += &serde_json::to_string(saga).map_err(|error| Refusal::new("json", error.to_string()))?;
    ///     lines.push('\n');
    ///     Ok::<_, Refusal>(())
    /// });
    /// let sagas = export.await?;
    /// # assert_eq!(sagas, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the journal can't be read, or the error of `each`, which stops it.
    pub async fn export<E: From<Refusal>>(
        &self,
        query: &SagaQuery,
        payloads: bool,
        mut each: impl FnMut(&SagaDetails) -> Result<(), E> + Send,
    ) -> Result<u64, E> {
        let mut query = query.clone();
        let mut sagas = 0;
        loop {
            let page = self.list(&query).await?;
            for saga in &page.sagas {
                let id = saga.id.as_str();
                let details = if payloads {
                    self.show_payloads(id).await
                } else {
                    self.show(id).await
                };
                match details {
                    Ok(details) => each(&details)?,
                    // It was removed meanwhile.
                    Err(refusal) if refusal.code == "unknown" => continue,
                    Err(refusal) => return Err(refusal.into()),
                }
                sagas += 1;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(sagas),
            }
        }
    }
}

#[cfg(feature = "testing")]
impl SagaDetails {
    /// The history that these details were made of. `None` without payloads.
    ///
    /// # Errors
    /// Why this is no history.
    pub(crate) fn history(&self) -> Option<Result<History, String>> {
        let input = self.input.as_ref()?;
        Some(self.with_input(input))
    }

    fn with_input(&self, input: &str) -> Result<History, String> {
        let id = SagaId::new(&*self.saga.id).map_err(|error| error.to_string())?;
        let fingerprint = self.fingerprint.as_deref().unwrap_or_default();
        let saga = NewSaga {
            id,
            name: self.saga.name.clone(),
            version: self.saga.version,
            fingerprint: u64::from_str_radix(fingerprint, 16).unwrap_or_default(),
            input: input.to_owned(),
            trace: None,
        };
        let state = self.saga.state();
        let mut record = Record::new(saga, from_millis(self.saga.started_at));
        record.state = state.ok_or_else(|| format!("`{}` is no state", self.saga.state))?;
        let entries = match &self.damage {
            Some(damage) => Err(Damage::of_record(damage)),
            None => self.entries(),
        };
        Ok(History { record, entries })
    }

    fn entries(&self) -> Result<Vec<Entry>, Damage> {
        let entries = self.entries.iter().map(|entry| {
            let row = Row {
                event: entry.event.clone().into(),
                step: entry.step.clone().map(Into::into),
                occurrence: entry.kind.is_some().then_some(entry.occurrence),
                kind: entry.kind.clone().map(Into::into),
                attempts: entry.attempts,
                code: entry.code.clone().or(entry.inputs.clone()).map(Into::into),
                message: entry.message.clone(),
                payload: entry.payload.clone(),
            };
            Ok(Entry {
                seq: entry.seq,
                at: from_millis(entry.at),
                event: row.into_event(entry.seq)?,
            })
        });
        entries.collect()
    }
}
