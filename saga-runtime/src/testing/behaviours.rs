//! The behaviours of a journal: one function each, which panics if the journal does not have it.

mod claiming;
mod ending;
mod reading;
mod starting;
mod trouble;
mod writing;

pub use claiming::*;
pub use ending::*;
pub use reading::*;
pub use starting::*;
pub use trouble::*;
pub use writing::*;
