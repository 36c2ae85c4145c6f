//! Runs cases on private servers. Says what happens as events and what was found as outcomes; formats nothing.

mod case;
mod deadline;
mod engine;
pub mod event;
pub mod failure;
pub mod happening;
mod marks;
pub mod outcome;
mod pool;
mod queue;
mod quote;
mod scenario;
mod session;
pub mod sessions;
mod workload;

pub use pool::Installed;
pub use queue::{Run, run};
