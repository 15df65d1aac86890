//! The behaviours: each a function, which panics if a journal does not have it.

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
