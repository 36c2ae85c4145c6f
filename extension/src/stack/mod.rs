//! Whose allocation it is: from the registers of a wrapper to a place in a target's code.
//!
//! Calls out of the targets are noted as they are made ([`calls`]). While one is under way, the stack is walked to the nearest
//! frame of a target ([`walk`]), what the server does on its own account is left out ([`barrier`], [`chosen`]), what it hands over
//! is not ([`handed`]), and what a walk has found is remembered ([`memo`]).

mod attribution;
mod barrier;
mod belonging;
pub(crate) mod calls;
mod chosen;
mod found;
mod handed;
mod jumps;
mod memo;
mod targets;
mod walk;

pub(crate) use attribution::Stack;
pub(crate) use belonging::Belongs;
pub(crate) use found::Found;
pub(crate) use targets::Targets;
pub(crate) use walk::{Interrupted, Registers, Walk, begins_with_frame_pointer, end_of_thread_stack};
