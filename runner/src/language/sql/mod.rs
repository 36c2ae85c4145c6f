//! SQL text: splitting into statements and substituting variables, both as psql does.

mod copy;
pub(crate) mod scan;
mod script;
mod split;
mod variables;

pub(crate) use copy::{COPY_HINT, copies_from_client};
pub use script::{Command, Item, What, arguments, script};
pub use split::{Statement, split};
pub use variables::{UnknownVariable, Variables, substitute};
pub(crate) use variables::{referenced, substitute_by, substitute_known};

/// Variables that the runner sets.
pub const BUILT_IN: &[&str] = &["i", "rows", "seed", "pg_version_num", "spec", "database"];
