//! Workers that have allocations fail: what they are told, what they do, and what they tell.

mod call;
mod calls;
mod told;

pub(super) use calls::{AGAIN, left_behind, work};
pub(super) use told::{Expected, Fails, Harmed, HeldAt, Part, Said, Until, Usual, Wait, failed, finding};
