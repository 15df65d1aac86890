//! The inputs of steps in a replay: other ones than the recorded ones are noticed before a step gets the output of another.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use saga_runtime::coordinator::ExecuteError;
use saga_runtime::journal::Memory;
use saga_runtime::{Context, Coordinator, saga, sleep, step};

use crate::shop::{Refused, Shop, inspected};

/// An input that is not `Serialize`.
#[derive(Clone, Copy)]
struct Opaque(u32);

#[step(compensate = ())]
async fn sell(cx: Context<'_, Shop>, article: &str, count: u64) -> Result<String, Refused> {
    cx.note("sell");
    Ok(format!("{count} {article}"))
}

#[step(compensate = ())]
async fn sell_all(
    cx: Context<'_, Shop>,
    articles: &HashMap<String, u64>,
    by: Opaque,
) -> Result<u64, Refused> {
    cx.note("sell all");
    Ok(articles.values().sum::<u64>() + u64::from(by.0))
}

type Sold = Vec<(String, String)>;

saga!(
    async fn selling_in_any_order(
        cx: Context<'_, Shop>,
        articles: HashMap<String, u64>,
    ) -> Result<Sold, Refused> {
        let mut sold = Vec::new();
        for (article, count) in &articles {
            sold.push((article.clone(), sell(cx, article, *count).await?));
        }
        sleep(cx, Duration::from_millis(20)).await;
        Ok(sold)
    }
);

saga!(
    async fn selling_in_order(
        cx: Context<'_, Shop>,
        articles: BTreeMap<String, u64>,
    ) -> Result<Sold, Refused> {
        let mut sold = Vec::new();
        for (article, count) in &articles {
            sold.push((article.clone(), sell(cx, article, *count).await?));
        }
        sleep(cx, Duration::from_millis(20)).await;
        Ok(sold)
    }
);

/// What is not covered: it is another one in each run.
static RUNS: AtomicU32 = AtomicU32::new(0);

saga!(
    async fn selling_at_once(
        cx: Context<'_, Shop>,
        articles: HashMap<String, u64>,
    ) -> Result<u64, Refused> {
        let by = Opaque(RUNS.fetch_add(1, Ordering::Relaxed));
        let sold = sell_all(cx, &articles, by).await?;
        sleep(cx, Duration::from_millis(20)).await;
        Ok(sold)
    }
);

fn articles<M: FromIterator<(String, u64)>>() -> M {
    (1..=20)
        .map(|count| (format!("article {count}"), count))
        .collect()
}

/// With a coordinator that suspends each saga that waits, so that it is replayed.
async fn started(shop: &Shop) -> Coordinator<Shop> {
    let builder = Coordinator::builder(shop.clone())
        .journal(Memory::new())
        .patience(Duration::ZERO)
        .register::<SellingInAnyOrder>()
        .register::<SellingInOrder>()
        .register::<SellingAtOnce>();
    builder.start().await.expect("the journal is new")
}

#[tokio::test]
async fn a_map_that_is_iterated_in_another_order_is_a_changed_definition() {
    let shop = Shop::default();
    let coordinator = started(&shop).await;
    let articles = articles();
    let stuck = match coordinator
        .execute("sale-1", SellingInAnyOrder { articles })
        .await
    {
        Err(ExecuteError::Stuck(stuck)) => stuck,
        other => panic!("20 articles have the same order by chance: {other:?}"),
    };
    assert!(
        stuck.reason.contains("the inputs of this call differ"),
        "{stuck}"
    );
    assert!(
        stuck.reason.contains("`sell`") || stuck.reason.contains("`sell#"),
        "{stuck}"
    );
    assert_eq!(shop.asked().len(), 20, "no step is requested twice");
    let history = inspected(&coordinator, "sale-1").await.to_string();
    assert!(
        history.contains("definition of `selling_in_any_order` has changed"),
        "{history}"
    );
}

#[tokio::test]
async fn a_map_with_an_order_is_replayed_and_each_call_gets_its_own_output() {
    let shop = Shop::default();
    let coordinator = started(&shop).await;
    let articles = articles();
    let sold = coordinator
        .execute("sale-1", SellingInOrder { articles })
        .await;
    for (article, sold) in sold.expect("nothing fails") {
        assert!(sold.ends_with(&article), "{sold}");
    }
    assert_eq!(shop.asked().len(), 20);
}

#[tokio::test]
async fn neither_the_order_in_an_input_nor_one_that_is_not_covered_counts() {
    let shop = Shop::default();
    let coordinator = started(&shop).await;
    let articles = articles();
    let sold = coordinator
        .execute("sale-1", SellingAtOnce { articles })
        .await;
    assert_eq!(sold.expect("nothing fails"), 210);
    assert_eq!(RUNS.load(Ordering::Relaxed), 2, "it was replayed");
    assert_eq!(shop.asked(), ["sell all"]);
}
