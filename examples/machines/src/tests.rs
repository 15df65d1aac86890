//! All machines, or none, and nothing else stays behind.

use saga_runtime::testing::FailureMatrix;

use crate::cloud::{Cloud, Zone};
use crate::cluster::StartCluster;

async fn start(cloud: &Cloud, machines: u32) -> Option<Vec<String>> {
    let name = "c".to_owned();
    let started = (StartCluster { name, machines }).execute(cloud).await;
    started
        .inspect_err(|error| assert!(error.is_compensated(), "{error}"))
        .ok()
}

#[tokio::test]
async fn what_does_not_fit_into_the_north_is_started_in_the_south() {
    let cloud = Cloud::new([2, 3], [9, 9]);
    let started = start(&cloud, 5).await.expect("there is room");
    assert_eq!(started.len(), 5);
    let south = started.iter().filter(|name| name.ends_with("South"));
    assert_eq!(south.count(), 3);
    assert_eq!(cloud.count(), (5, 5));
}

#[tokio::test]
async fn nothing_is_left_of_a_cluster_that_does_not_fit() {
    for machines in 6..30 {
        let cloud = Cloud::new([2, 3], [9, 9]);
        assert_eq!(start(&cloud, machines).await, None);
        assert_eq!(cloud.count(), (0, 0), "after {machines} machines");
    }
}

#[tokio::test]
async fn a_second_cluster_takes_what_the_first_has_left() {
    let cloud = Cloud::new([2, 3], [9, 9]);
    assert!(start(&cloud, 3).await.is_some());
    assert!(start(&cloud, 3).await.is_none());
    assert_eq!(cloud.count(), (3, 3));
    assert!(start(&cloud, 2).await.is_some());
    assert_eq!(cloud.count(), (5, 5));
}

#[tokio::test]
async fn nothing_is_left_of_a_cluster_whose_disks_do_not_fit() {
    let cloud = Cloud::new([2, 3], [2, 2]);
    assert_eq!(start(&cloud, 5).await, None);
    assert_eq!(cloud.count(), (0, 0));
    assert!(start(&cloud, 4).await.is_some());
    assert_eq!(cloud.count(), (4, 4));
}

#[test]
fn a_request_that_comes_after_its_cancellation_makes_nothing() {
    let cloud = Cloud::new([2, 2], [2, 2]);
    let machine = cloud.boot("a", "c-1", Zone::North);
    let machine = machine.expect("there is room");
    let disk = cloud.add_disk("b", &machine).expect("there is room");
    cloud.delete_disk(&disk);
    cloud.destroy(&machine);
    let late = cloud.add_disk("b", &machine);
    late.expect_err("it was deleted");
    let late = cloud.boot("a", "c-1", Zone::North);
    late.expect_err("it was destroyed");
    assert_eq!(cloud.count(), (0, 0));
}

#[test]
fn every_failure_of_a_cluster_ends_well() {
    let cluster = || StartCluster {
        name: "c".to_owned(),
        machines: 2,
    };
    FailureMatrix::new(|| Cloud::new([2, 2], [2, 2]), cluster)
        .invariant("all machines with their disks, or none", |cloud, end| {
            let all = if end.is_completed() { (2, 2) } else { (0, 0) };
            (cloud.count() == all)
                .then_some(())
                .ok_or(format!("{:?}", cloud.count()))
        })
        .check();
}
