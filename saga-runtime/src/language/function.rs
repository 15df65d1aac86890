//! The functions of steps as values: a setting names a step by its function.

use crate::language::{Call, Step};
use crate::meta::StepMeta;

/// Implemented by the functions of steps, so that a setting names a step by its function: `limit(charge, 20)`.
///
/// `Inputs` are the types of the function's parameters. The compiler infers them.
///
/// ```
/// use saga_runtime::engine::StepFunction;
/// # use saga_runtime::{Context, step};
/// # struct Shop;
/// #[step(compensate = (), name = "ask-for-a-price")]
/// async fn quote(_cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
///     Ok(amount)
/// }
///
/// fn name<I>(step: impl StepFunction<I>) -> &'static str {
///     step.meta().name
/// }
///
/// assert_eq!(name(quote), "ask-for-a-price");
/// ```
#[diagnostic::on_unimplemented(
    message = "a step is expected here, by the name of its function",
    label = "this is not the function of a step",
    note = "name an `async fn` with `#[step(…)]`, without calling it: `charge`, not `charge(cx, …)`"
)]
pub trait StepFunction<Inputs>: Sized {
    /// The step's type.
    type Step: Step;

    /// The durable name, the kind and the policies.
    fn meta(self) -> &'static StepMeta {
        &const { Self::Step::META }
    }
}

macro_rules! function {
    ($($input:ident)+) => {
        #[diagnostic::do_not_recommend]
        impl<'run, 'a, F, S: Step, $($input),+> StepFunction<($($input,)+)> for F
        where
            F: Fn($($input),+) -> Call<'run, 'a, S>,
        {
            type Step = S;
        }
    };
}

function!(Cx);
function!(Cx I1);
function!(Cx I1 I2);
function!(Cx I1 I2 I3);
function!(Cx I1 I2 I3 I4);
function!(Cx I1 I2 I3 I4 I5);
function!(Cx I1 I2 I3 I4 I5 I6);
function!(Cx I1 I2 I3 I4 I5 I6 I7);
function!(Cx I1 I2 I3 I4 I5 I6 I7 I8);
function!(Cx I1 I2 I3 I4 I5 I6 I7 I8 I9);
function!(Cx I1 I2 I3 I4 I5 I6 I7 I8 I9 I10);
function!(Cx I1 I2 I3 I4 I5 I6 I7 I8 I9 I10 I11);
function!(Cx I1 I2 I3 I4 I5 I6 I7 I8 I9 I10 I11 I12);
