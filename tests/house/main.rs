//! What the sources of the library keep.

mod documents;
mod layers;
mod names;
mod prose;
