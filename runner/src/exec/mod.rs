//! Runs cases on private servers. Says how far it has come and what was found, as outcomes; judges and formats nothing.

mod case;
mod client;
mod culprit;
mod deadline;
mod engine;
pub mod extension;
pub mod failure;
pub mod happening;
mod members;
pub mod outcome;
mod pool;
pub mod probe;
mod progress;
mod quote;
pub mod replay;
mod scenario;
mod session;
pub mod sessions;
mod shown;
mod targets;
mod workload;

pub use case::{run, set_up};
pub use members::{CodeOf, Member, Members};
pub use pool::{Installed, Slot, Source};
pub use progress::Progress;
pub(crate) use session::Session;
