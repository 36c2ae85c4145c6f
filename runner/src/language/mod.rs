//! The `.mcspec` language: text in, syntax tree or diagnostics out.

pub mod ast;
mod check;
pub mod day;
mod diagnostic;
mod format;
pub mod lint;
pub(crate) mod number;
mod parse;
mod source;
pub mod sql;

pub use diagnostic::Diagnostic;
pub use format::{format, format_include};
pub(crate) use memcheck_core::suggest;
pub use parse::{parse, parse_include};
pub use source::SourceFile;
