//! The services as their callers see them: real gRPC servers on the loopback, in this process.

mod checkout;
mod delivery;
mod fixture;
mod market;
mod migrations;
mod orders;
mod payments;
mod server;
