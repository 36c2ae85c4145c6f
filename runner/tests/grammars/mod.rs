//! What it takes to try the grammars for editors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod library;
pub(crate) mod textmate;
