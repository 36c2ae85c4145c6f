//! What it takes to try the grammars for editors.

pub(crate) mod library;
pub(crate) mod textmate;
