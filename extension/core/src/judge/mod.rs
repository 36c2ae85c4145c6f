//! From what a window has seen to its findings.

pub mod complaint;
mod cursor;
pub mod event;
pub mod growth;
pub mod peak;
pub mod thresholds;
pub mod traced;
mod untraced;
pub mod workers;

pub use untraced::{Filter, Mark, Rules, judge, sort};
