//! Runs the sessions of a spec through their permutations.

mod blocking;
pub(in crate::exec) mod checked;
mod connection;
mod lane;
mod performance;
pub mod transcript;
