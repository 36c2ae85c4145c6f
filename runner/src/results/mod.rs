//! What a run leaves behind: what was measured, in the schema of `results/NAME.json`. Reports and goldens read it; who runs,
//! judges and reports is not known here.

mod axes;
mod file;
mod measured;
mod pending;
pub mod schema;
mod seen;

pub use axes::Axes;
pub use file::{ResultsError, make_directory, remove_index, write};
pub use measured::{milliseconds, scenarios, server};
pub use pending::{Pending, reading};
pub use seen::{Allowed, Known, Seen};
