//! The numbers of a coordinator, and Prometheus with them: rules, and the queries of the dashboard. The traces of its sagas.

mod collector;
mod numbers;
mod prometheus;
mod traces;
