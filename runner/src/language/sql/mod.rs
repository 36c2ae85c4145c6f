//! SQL text: splitting into statements and substituting variables, both as psql does.

pub(crate) mod scan;
mod split;
mod variables;

pub use split::{Statement, split};
pub(crate) use variables::referenced;
pub use variables::{UnknownVariable, Variables, substitute};
