//! Outputs by value that are large together: what a future by hand can carry in a debug build, a saga can.

use saga_runtime::journal::Memory;
use saga_runtime::{Context, Coordinator, InProcess, saga, step};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

struct Mill;

/// 3 KiB by value.
#[derive(Clone)]
struct Sheet([u8; 3072]);

impl Serialize for Sheet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0[0])
    }
}

impl<'de> Deserialize<'de> for Sheet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse()
            .map(|byte| Self([byte; 3072]))
            .map_err(D::Error::custom)
    }
}

macro_rules! thirty {
    ($($step:ident)+) => {
        $(
            #[step(compensate = pulp)]
            async fn $step(_: Context<'_, Mill>) -> Result<Sheet, String> {
                tokio::task::yield_now().await;
                Ok(Sheet([1; 3072]))
            }
        )+

        saga!(
            async fn roll(cx: Context<'_, Mill>, is_torn: bool) -> Result<u32, String> {
                $(let $step = $step(cx).await?;)+
                if is_torn {
                    return Err("torn".to_owned());
                }
                Ok([$($step),+].iter().map(|sheet| u32::from(sheet.0[0])).sum())
            }
        );
    };
}

async fn pulp(_: Context<'_, Mill>, _: &Sheet) -> Result<(), String> {
    Ok(())
}

thirty! {
    s0 s1 s2 s3 s4 s5 s6 s7 s8 s9
    s10 s11 s12 s13 s14 s15 s16 s17 s18 s19
    s20 s21 s22 s23 s24 s25 s26 s27 s28 s29
}

/// Runs a saga as services do: in a task, on the stack of a worker.
async fn in_a_task<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(future)
        .await
        .expect("the stack is large enough")
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_outputs_of_3_kib_fit_on_the_stack_of_a_worker_in_process() {
    let rolled = in_a_task(async { InProcess::new(&Mill).execute(Roll { is_torn: false }).await });
    assert_eq!(rolled.await.expect("nothing fails"), 30);
    let torn = in_a_task(async { Roll { is_torn: true }.execute(&Mill).await });
    let error = torn.await.expect_err("it is torn");
    assert_eq!(error.compensations().len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_outputs_of_3_kib_fit_on_the_stack_of_a_worker_on_a_journal() {
    let builder = Coordinator::builder(Mill).journal(Memory::new());
    let coordinator = builder.register::<Roll>().start().await;
    let coordinator = coordinator.expect("the journal works");
    let rolled = coordinator.execute("1", Roll { is_torn: false }).await;
    assert_eq!(rolled.expect("nothing fails"), 30);
    let torn = coordinator.execute("2", Roll { is_torn: true }).await;
    assert!(torn.is_err());
}
