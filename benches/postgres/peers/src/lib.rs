//! The customers of each peer.

#[path = "../../src/customers.rs"]
pub mod customers;

/// The most connections of a peer: the default of some is 8 or 10, and they do better with more.
pub const CONNECTIONS: u32 = 32;

/// The arguments of each program: the database, how many are in flight, and how many each of them asks for.
pub fn arguments() -> Result<(String, usize, usize), customers::Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("URL IN_FLIGHT EACH");
    Ok((next()?, next()?.parse()?, next()?.parse()?))
}
