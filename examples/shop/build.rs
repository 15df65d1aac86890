//! Compiles the protocols in `proto/` to Rust, without `protoc`.

use std::error::Error;
use std::{env, path::PathBuf};

const PROTOCOLS: [&str; 5] = [
    "shop/orders.proto",
    "shop/stock.proto",
    "shop/payments.proto",
    "shop/delivery.proto",
    "shop/checkout.proto",
];

/// What the steps of the saga return. A journal stores it, so it is serializable.
const STEP_OUTPUTS: [&str; 5] = [
    "shop.orders.v1.Order",
    "shop.orders.v1.LineItem",
    "shop.stock.v1.Reservation",
    "shop.payments.v1.Payment",
    "shop.delivery.v1.Delivery",
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("proto");
    println!("cargo::rerun-if-changed={}", folder.display());

    let mut code = tonic_prost_build::configure().include_file("protocols.rs");
    for output in STEP_OUTPUTS {
        code = code.type_attribute(
            output,
            "#[derive(::serde::Serialize, ::serde::Deserialize)]",
        );
    }
    code.compile_fds(protox::compile(PROTOCOLS, [folder])?)?;
    Ok(())
}
