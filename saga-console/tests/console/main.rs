//! The console as a browser and as a program see it: pages, commands, and what keeps others out.

mod browser;
mod following;
mod pages;
mod remote;
mod security;
mod stage;
