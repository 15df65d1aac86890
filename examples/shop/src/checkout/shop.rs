//! The services a checkout calls.

mod deliveries;
mod orders;
mod payments;

pub use self::deliveries::Deliveries;
pub use self::orders::Orders;
pub use self::payments::Payments;
use crate::address::Address;

/// Everything the steps of the saga work with.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Keeps the orders. In the same process, but called like the others: the checkout could move out any day.
    pub orders: Orders,
    /// Takes the money.
    pub payments: Payments,
    /// Books the couriers.
    pub deliveries: Deliveries,
}

impl Shop {
    /// The services at these addresses. Each is connected to when it is first called, and again after it was gone.
    #[must_use]
    pub fn connect(orders: &Address, payments: &Address, deliveries: &Address) -> Self {
        Self {
            orders: Orders::new(orders.endpoint().connect_lazy()),
            payments: Payments::new(payments.endpoint().connect_lazy()),
            deliveries: Deliveries::new(deliveries.endpoint().connect_lazy()),
        }
    }
}
