//! What the engine inside the backend and the runner outside must agree on: the names of checks and severities, context
//! paths, the arithmetic of growth, and the normal form in which a violation is compared.
//!
//! Nothing here does I/O, reaches a PostgreSQL symbol or allocates through palloc, so all of it is tested without a server.

pub mod bucket;
pub mod census;
pub mod check;
pub mod complaint;
mod cursor;
pub mod detail;
pub mod event;
pub mod finding;
pub mod growth;
pub mod handed;
pub mod judge;
pub mod like;
pub mod parallel;
pub mod path;
pub mod peak;
pub mod row;
pub mod scenario;
pub mod size;
pub mod thresholds;
pub mod traced;

pub use check::{CheckKind, Severity};
pub use event::Event;
pub use finding::{Finding, Frame, Line, MarkPoint, Phase, Site};
pub use growth::Shape;
pub use path::ContextPath;
pub use scenario::ScenarioKind;
