//! The `.mcspec` language: text in, syntax tree or diagnostics out.

pub mod ast;
