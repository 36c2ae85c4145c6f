//! The normal form of a violation, in which it is recorded and compared.

pub mod bucket;
pub mod field;
pub mod row;
pub mod size;

#[cfg(test)]
mod tests;
