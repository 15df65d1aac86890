//! The saga: money leaves one bank and arrives at the other, or stays.

use saga_runtime::{Context, saga, step};

use crate::bank::{Bank, BankError};

/// The services that steps call.
pub(crate) struct Banks {
    pub(crate) home: Bank,
    pub(crate) away: Bank,
}

/// Takes the money. An error that leaves this open is asked about again, under the same key; then what may have been taken
/// is given back.
#[step(
    compensate = give_back,
    retry(attempts = 3, backoff = "1ms..100ms", when = BankError::is_open),
    in_doubt(when = BankError::is_open, resolve = give_back_if_taken),
)]
async fn withdraw(cx: Context<'_, Banks>, from: &str, cents: i64) -> Result<String, BankError> {
    cx.home.take(cx.idempotency_key(), from, cents).await?;
    Ok(from.to_owned())
}

async fn give_back(cx: Context<'_, Banks>, from: &str) -> Result<(), BankError> {
    cx.home.undo(cx.action_key(), from).await
}

async fn give_back_if_taken(
    cx: Context<'_, Banks>,
    from: &str,
    _cents: i64,
) -> Result<(), BankError> {
    cx.home.undo(cx.action_key(), from).await
}

/// Can't be undone: the receiver may have spent it. It may refuse: there may be no such account.
#[step(pivot, retry(attempts = 3, backoff = "1ms..100ms", when = BankError::is_open))]
async fn deposit(cx: Context<'_, Banks>, to: &str, cents: i64) -> Result<(), BankError> {
    cx.away.put(cx.idempotency_key(), to, cents).await?;
    Ok(())
}

saga!(
    /// Moves money from an account at home to one at the other bank.
    pub(crate) async fn transfer_money(
        cx: Context<'_, Banks>,
        from: String,
        to: String,
        cents: i64,
    ) -> Result<(), BankError> {
        withdraw(cx, &from, cents).await?;
        deposit(cx, &to, cents).await?;
        Ok(())
    }
);
