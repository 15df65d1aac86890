//! The saga on `legend`: each step leaves its output in the shared context, where the next step and its own
//! compensation find it.

use ::legend::{CompensationOutcome, ExecutionResult, Step, StepOutcome, legend};
use seq_macro::seq;

use super::Run;
use crate::cell::{Length, time};
use crate::work::{Refusal, Shop, Token, act, undo};

/// The context of one execution: the services, and what each of the `STEPS` steps returned.
struct Ledger<const STEPS: usize> {
    shop: &'static Shop,
    start: Token,
    outputs: [Token; STEPS],
}

impl<const STEPS: usize> Ledger<STEPS> {
    fn new(shop: &'static Shop, start: Token) -> Self {
        Self {
            shop,
            start,
            outputs: [Token(0); STEPS],
        }
    }

    fn output(&mut self, step: usize) -> &mut Token {
        &mut self.outputs[step - 1]
    }
}

struct Ordinal<const ORDINAL: usize>;

#[async_trait::async_trait]
impl<const STEPS: usize, const ORDINAL: usize> Step<Ledger<STEPS>, Refusal> for Ordinal<ORDINAL> {
    type Input = ();

    async fn execute(ledger: &mut Ledger<STEPS>, (): &()) -> Result<StepOutcome, Refusal> {
        let input = match ORDINAL {
            1 => ledger.start,
            later => *ledger.output(later - 1),
        };
        *ledger.output(ORDINAL) = act(ledger.shop, ORDINAL, input)?;
        Ok(StepOutcome::Continue)
    }

    async fn compensate(
        ledger: &mut Ledger<STEPS>,
        (): &(),
    ) -> Result<CompensationOutcome, Refusal> {
        undo(ledger.shop, ORDINAL, *ledger.output(ORDINAL))?;
        Ok(CompensationOutcome::Completed)
    }
}

macro_rules! saga {
    ($run:ident, $name:ident, $inputs:ident, $steps:literal) => {
        seq!(N in 1..=$steps {
            legend! {
                $name<Ledger<$steps>, Refusal> { #( step~N: Ordinal<N>, )* }
            }

            async fn $run(shop: &'static Shop, start: Token) -> Result<Token, Refusal> {
                let inputs = $inputs { #( step~N: (), )* };
                let execution = $name::new(inputs).build(Ledger::new(shop, start));
                match execution.start().await {
                    ExecutionResult::Completed(execution) => {
                        Ok(execution.into_context().outputs[$steps - 1])
                    }
                    ExecutionResult::Failed(_, cause) => Err(cause),
                    ExecutionResult::CompensationFailed { original_error, .. } => Err(original_error),
                    ExecutionResult::Paused(_) => unreachable!("no step of this saga pauses"),
                }
            }
        });
    };
}

saga!(three, Three, ThreeInputs, 3);
saga!(ten, Ten, TenInputs, 10);
saga!(fifty, Fifty, FiftyInputs, 50);

pub(super) fn run(length: Length, shop: &'static Shop, count: u32) -> Run {
    match length {
        Length::Three => Box::pin(time(count, move |start| three(shop, start))),
        Length::Ten => Box::pin(time(count, move |start| ten(shop, start))),
        Length::Fifty => Box::pin(time(count, move |start| fifty(shop, start))),
    }
}
