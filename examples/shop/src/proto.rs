//! The protocols in `proto/`, as Rust.

pub use generated::shop::{
    checkout::v1 as checkout, delivery::v1 as delivery, orders::v1 as orders,
    payments::v1 as payments, stock::v1 as stock,
};

#[expect(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated; the documentation stands in the .proto files"
)]
mod generated {
    tonic::include_proto!("protocols");
}
