//! A run: which case runs when and how often, and what comes of each. A case that is over has an outcome, which is what
//! [`crate::exec`] found, and a verdict, which is what that means.

mod event;
mod order;
mod queue;
mod repetition;
mod verdict;

pub use event::Event;
pub use order::InOrder;
pub use queue::{Run, run, single};
pub use verdict::record_of;
