//! Places in libraries at which something is allocated or given back: found in their files, and looked at by the engine while specs run.

mod code;
mod functions;
mod library;
pub mod notes;
mod plan;
mod slots;
#[cfg(test)]
mod tests;

pub use code::Unread;
pub use functions::{Does, Takes, does};
pub use library::{Library, Place};
pub use plan::{Planted, Reached, Status};
