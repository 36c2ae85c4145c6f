//! Every allocation of this process, on its way: wrappers stand around the allocator's functions, and each call passes a chain
//! of links.
//!
//! The allocator's methods are exchanged in the server's own tables ([`methods`]), everything else - malloc and its family,
//! the creation of contexts, dynamic shared memory - in the global offset tables of the objects that call it ([`slots`]). On
//! while somebody asks for it, and at no cost otherwise ([`switch`]).
//!
//! Inside the wrappers nothing is allocated and nothing can raise an ERROR or panic, except what the server's own method
//! raises; no value that would have to be dropped lives across that call.

mod areas;
mod callers;
mod chain;
mod created;
mod dsm;
mod elements;
mod ends;
pub(crate) mod faults;
mod given_back;
mod guarded;
mod heap;
mod hooked;
mod interrupts;
mod locks;
mod maps;
mod methods;
pub(crate) mod planted;
pub(crate) mod requests;
mod shared;
mod slots;
pub(crate) mod storm;
mod switch;
mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod tranches;
#[cfg(feature = "test_links")]
mod trial;

pub(crate) use chain::{empty_guard, empty_guard_in, is_on, switch, with};
pub(crate) use switch::{Refused, is_of, prepare, refresh, start, stop};
