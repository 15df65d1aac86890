//! Customers that ask for one saga after the other, and how long they wait. The peers use this file as well.

use std::io::BufRead as _;
use std::time::Instant;

use tokio::task::JoinSet;

/// Any error.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Lets so many customers ask for `each` sagas. Before, it says `ready` and waits for a line, so that all workers begin at once.
/// Afterwards it prints the seconds that all of them took, and the microseconds of each saga.
///
/// # Errors
/// The first error of a saga.
pub async fn serve<F, Answer>(in_flight: usize, each: usize, ask: F) -> Result<(), Failure>
where
    F: Fn(String, u64) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Result<(), Failure>> + Send,
{
    // Connections are made and statements prepared before.
    run("warm", in_flight, 3, ask.clone()).await?;
    println!("ready");
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next());
    line.await?;
    let began = Instant::now();
    let took = run("saga", in_flight, each, ask).await?;
    print!("{}", began.elapsed().as_secs_f64());
    for micros in took {
        print!(" {micros}");
    }
    println!();
    Ok(())
}

async fn run<F, Answer>(
    what: &'static str,
    in_flight: usize,
    each: usize,
    ask: F,
) -> Result<Vec<u128>, Failure>
where
    F: Fn(String, u64) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = Result<(), Failure>> + Send,
{
    let process = std::process::id();
    let mut customers = JoinSet::new();
    for customer in 0..in_flight {
        let ask = ask.clone();
        customers.spawn(async move {
            let mut took = Vec::with_capacity(each);
            for number in 0..each as u64 {
                let began = Instant::now();
                ask(format!("{what}-{process}-{customer}-{number}"), number).await?;
                took.push(began.elapsed().as_micros());
            }
            Ok::<_, Failure>(took)
        });
    }
    let mut took = Vec::with_capacity(in_flight * each);
    while let Some(customer) = customers.join_next().await {
        took.extend(customer??);
    }
    Ok(took)
}
