//! Memory bugs that nobody has asked about: everything that an extension has is called, with values at which code goes wrong, in every
//! way in which memory is lost; what is found is borne out, and becomes a spec.

mod boundary;
pub mod corpus;
mod excerpt;
mod fewest;
pub mod found;
pub mod hunter;
pub mod languages;
pub mod members;
mod parts;
pub mod pool;
pub mod proof;
pub mod quarry;
pub mod record;
pub mod script;
pub mod shape;
mod smaller;
pub mod subject;
pub mod types;
mod varied;
pub mod ways;
pub mod writing;

#[cfg(test)]
pub(crate) use crate::init::literals::quoted;
