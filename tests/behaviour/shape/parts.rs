//! Parts whose failure the body handles, in each form of a shape.

use saga_runtime::{Context, saga};

use crate::participant::{Participant, Refusal};
use crate::steps::{look, pack, pay, reserve};

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pack(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(compensatable)]
    async fn handling(cx: Context<'_, Participant>) -> Result<bool, Refusal> {
        let is_packed = packing(cx).await.is_ok();
        let is_paid = try_join!(reserve(cx), pay(cx)).is_ok();
        let is_there = look(cx).await.is_ok();
        Ok(is_packed && is_paid && is_there)
    }
);

saga!(
    #[saga(compensatable)]
    async fn ending(cx: Context<'_, Participant>) -> Result<bool, Refusal> {
        packing(cx).await?;
        try_join!(reserve(cx), pay(cx))?;
        look(cx).await?;
        Ok(true)
    }
);

#[test]
fn the_outline_says_which_parts_are_undone_first() {
    let expected = "\
saga `handling`
1. undone first, if it fails
     1.1. saga packing
          1.1.1. pack: compensated by undo_pack
2. undone first, if it fails
     2.1. at the same time
          2.1.1. reserve: compensated by undo_reserve
          2.1.2. pay: compensated by undo_pay
3. look: nothing to undo";
    assert_eq!(Handling::shape().to_string(), expected);
    assert!(!Ending::shape().to_string().contains("undone first"));
}

#[test]
fn both_graphs_show_them() {
    let shape = Handling::shape();
    let (mermaid, dot) = (shape.to_mermaid(), shape.to_dot());
    for line in [
        r#"n1[["undone first, if it fails"]]"#,
        "n0 --> n1",
        "n1 --> n2",
        r#"n4[["undone first, if it fails"]]"#,
    ] {
        assert!(mermaid.contains(line), "{line} in\n{mermaid}");
    }
    let line = r#"n1 [label="undone first, if it fails", shape=note];"#;
    assert!(dot.contains(line), "{line} in\n{dot}");
    let steps: Vec<_> = shape.steps().map(|step| step.name).collect();
    assert_eq!(steps, ["pack", "reserve", "pay", "look"]);
}

#[test]
fn a_definition_that_handles_a_failure_is_another_one() {
    assert_ne!(
        Handling::shape().fingerprint(),
        Ending::shape().fingerprint()
    );
}
