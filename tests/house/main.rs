//! What the sources of the library keep.

mod layers;
mod names;
mod prose;
