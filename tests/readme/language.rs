//! The language of a saga's body.

use std::time::Duration;

use saga_runtime::{Context, EventName, event_within, saga, step, try_join_all};

const APPROVED: EventName<bool> = EventName::new("approved");
const A_DAY: Duration = Duration::from_hours(24);

saga!(
    #[saga(compensatable)] // what it counts as where another saga calls it
    async fn pack(cx: Context<'_, Shop>, articles: Vec<String>) -> Result<Vec<String>, String> {
        let parcels = try_join_all(8, &articles, |article| reserve(cx, article)).await?;
        Ok(parcels)
    }
);

saga!(
    async fn place_order(cx: Context<'_, Shop>, order: Order) -> Result<u64, String> {
        let (parcels, payment) = try_join!(pack(cx, order.articles.clone()), charge(cx, &order))?;
        if order.articles.len() > 100 {
            let approved = event_within(cx, APPROVED, A_DAY).await;
            if approved != Some(true) {
                return Err("not approved within a day".to_owned());
            }
        }
        ship(cx, &parcels, &payment).await
    }
);

struct Shop;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Order {
    id: u64,
    articles: Vec<String>,
}

#[step(compensate = put_back)]
async fn reserve(_cx: Context<'_, Shop>, article: &str) -> Result<String, String> {
    Ok(article.to_owned())
}

async fn put_back(_cx: Context<'_, Shop>, _parcel: &str) -> Result<(), String> {
    Ok(())
}

#[step(compensate = refund)]
async fn charge(_cx: Context<'_, Shop>, order: &Order) -> Result<u64, String> {
    Ok(order.id)
}

async fn refund(_cx: Context<'_, Shop>, _payment: &u64) -> Result<(), String> {
    Ok(())
}

#[step(pivot)]
async fn ship(
    _cx: Context<'_, Shop>,
    parcels: &[String],
    payment: &u64,
) -> Result<u64, String> {
    Ok(*payment + parcels.len() as u64)
}

#[tokio::test]
async fn it_runs() {
    let articles = vec!["tea".to_owned(), "pot".to_owned()];
    let order = Order { id: 17, articles };
    let placed = PlaceOrder { order }.execute(&Shop).await;
    assert_eq!(placed.expect("nothing is wrong with it"), 19);
}

#[test]
fn the_readme_draws_it() {
    let picture = PlaceOrder::shape().to_mermaid();
    let block = format!("```mermaid\n{}\n```", picture.trim_end());
    assert!(
        super::readme().contains(&block),
        "the README does not show:\n{block}"
    );
}
