//! The behaviours of a journal: one function each, which panics if the journal does not have it.

mod claiming;
mod ending;
mod reading;
mod starting;
mod writing;

pub use claiming::*;
pub use ending::*;
pub use reading::*;
pub use starting::*;
pub use writing::*;
