//! The services as their callers see them: real gRPC servers on the loopback, in this process.

mod approval;
mod asking_again;
mod checkout;
mod commands;
mod delivery;
mod failures;
mod fixture;
mod market;
mod migrations;
mod on_restate;
mod orders;
mod payments;
mod server;
mod stock;
mod traces;
