//! The backend's MemoryContexts: what one of them holds, what it is called, and the walk over all.

mod by_address;
mod context;
mod names;
mod proof;
mod text;
mod walker;

pub(crate) use context::{Context, top_used};
pub(crate) use names::Names;
pub(crate) use proof::check;
pub(crate) use walker::Walker;
