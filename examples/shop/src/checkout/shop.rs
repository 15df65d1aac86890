//! The services a checkout calls, and its rules.

mod connection;
mod deliveries;
mod orders;
mod payments;
mod stock;

pub use self::connection::{Connection, connection};
pub use self::deliveries::Deliveries;
pub use self::orders::Orders;
pub use self::payments::Payments;
pub use self::stock::Stock;
use super::ApprovalRules;
use crate::address::Address;

/// Everything the steps of the saga work with.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Keeps the orders. In the same process, but called like the others: the checkout could move out any day.
    pub orders: Orders,
    /// Sets articles aside.
    pub stock: Stock,
    /// Takes the money.
    pub payments: Payments,
    /// Books the couriers.
    pub deliveries: Deliveries,
    /// Which orders need an approval.
    pub approval: ApprovalRules,
}

/// Where the services listen.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Of orders.
    pub orders: Address,
    /// Of stock.
    pub stock: Address,
    /// Of payments.
    pub payments: Address,
    /// Of delivery.
    pub delivery: Address,
}

/// The connections to the services.
#[derive(Debug, Clone)]
pub struct Connections {
    /// To orders.
    pub orders: Connection,
    /// To stock.
    pub stock: Connection,
    /// To payments.
    pub payments: Connection,
    /// To delivery.
    pub delivery: Connection,
}

impl Shop {
    /// The services at these addresses. Each is connected to when it is first called, and again after it was gone.
    #[must_use]
    pub fn connect(addresses: &Addresses, approval: ApprovalRules) -> Self {
        let channel = |address: &Address| connection(address.endpoint().connect_lazy());
        let connections = Connections {
            orders: channel(&addresses.orders),
            stock: channel(&addresses.stock),
            payments: channel(&addresses.payments),
            delivery: channel(&addresses.delivery),
        };
        Self::over(connections, approval)
    }

    /// The services behind these connections.
    #[must_use]
    pub fn over(connections: Connections, approval: ApprovalRules) -> Self {
        Self {
            orders: Orders::new(connections.orders),
            stock: Stock::new(connections.stock),
            payments: Payments::new(connections.payments),
            deliveries: Deliveries::new(connections.delivery),
            approval,
        }
    }
}
