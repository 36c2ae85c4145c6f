//! Memory bugs that nobody has asked about: everything that an extension has is called, with values at which code goes wrong, in every
//! way in which memory is lost; what is found is borne out, and becomes a spec.

mod boundary;
pub mod corpus;
pub mod decoding;
mod excerpt;
mod fewest;
pub mod foreign;
pub mod found;
pub mod hunter;
pub mod languages;
pub mod members;
pub mod methods;
pub mod ordinary;
mod parts;
pub mod pool;
pub mod proof;
pub mod quarry;
pub mod reach;
pub mod record;
pub mod script;
pub mod search;
pub mod settings;
pub mod shape;
mod smaller;
pub mod subject;
pub mod types;
mod varied;
pub mod ways;
pub mod words;
pub mod writing;

#[cfg(test)]
pub(crate) use crate::init::literals::quoted;
