//! The services a checkout calls, and its rules.

mod deliveries;
mod orders;
mod payments;
mod stock;

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

impl Shop {
    /// The services at these addresses. Each is connected to when it is first called, and again after it was gone.
    #[must_use]
    pub fn connect(addresses: &Addresses, approval: ApprovalRules) -> Self {
        let channel = |address: &Address| address.endpoint().connect_lazy();
        Self {
            orders: Orders::new(channel(&addresses.orders)),
            stock: Stock::new(channel(&addresses.stock)),
            payments: Payments::new(channel(&addresses.payments)),
            deliveries: Deliveries::new(channel(&addresses.delivery)),
            approval,
        }
    }
}
