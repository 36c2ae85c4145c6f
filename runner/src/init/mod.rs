//! The first spec of a repository: what it has is found, tried on a private server, and written down.

pub mod calls;
pub mod catalog;
pub mod draft;
pub mod ground;
pub mod harvest;
pub mod hooks;
pub mod literals;
mod makefile;
pub mod repository;
mod rust;
pub mod surroundings;
pub mod trial;
pub mod values;
