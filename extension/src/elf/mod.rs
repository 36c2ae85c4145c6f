//! Reading what is loaded into this process: objects, their tables and their functions. Everybody's ground floor.

mod dynamic;
mod exports;
mod functions;
pub(crate) mod got;
mod module;
pub(crate) mod modules;
pub(crate) mod patched;
pub(crate) mod symbols;
mod tails;

pub(crate) use functions::{Functions, jumps};
pub(crate) use module::Module;
pub(crate) use tails::{Tail, tails};
