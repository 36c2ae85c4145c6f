//! Runs the sessions of a spec through their permutations.

pub mod blocking;
pub(in crate::exec) mod checked;
pub mod connection;
mod lane;
pub mod performance;
pub mod transcript;
