//! What the sources of the library keep.

mod guarantees;
mod layers;
mod names;
mod prose;
