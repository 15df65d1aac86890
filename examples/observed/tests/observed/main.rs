//! The numbers of a coordinator, and Prometheus with them: rules, and the queries of the dashboard.

mod numbers;
mod prometheus;
