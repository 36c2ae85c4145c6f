//! What a run leaves behind: the schema of `results/NAME.json` and what was measured. Reports and goldens read it.

pub mod measured;
pub mod schema;
