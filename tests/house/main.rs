//! What the sources of the library keep.

mod clock;
mod documents;
mod layers;
mod links;
mod names;
mod prose;
mod secrets;
mod wrappers;
