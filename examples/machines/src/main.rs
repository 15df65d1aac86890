//! A cluster of machines, as a whole or not at all.
//!
//! Read `cluster.rs` for the sagas, `cloud.rs` for the service that they call.

mod cloud;
mod cluster;
#[cfg(test)]
mod tests;

use crate::cloud::Cloud;
use crate::cluster::StartCluster;

#[tokio::main]
async fn main() {
    println!("{}\n", StartCluster::shape());
    for (capacity, machines) in [([3, 3], 5), ([3, 3], 9)] {
        let cloud = Cloud::new(capacity);
        let name = format!("c{machines}");
        match (StartCluster { name, machines }).execute(&cloud).await {
            Ok(cluster) => println!("started: {}", cluster.join(", ")),
            Err(error) => println!("{} at step {}", error.cause(), error.step().unwrap_or("?")),
        }
        let (disks, machines) = cloud.count();
        println!("the cloud has {disks} disks and {machines} machines\n");
    }
}
