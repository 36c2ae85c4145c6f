//! Goldens.
pub mod compare;
pub mod file;
pub mod variant;
