//! What the engine inside the backend and the runner outside must agree on: checks ([`check`]) and scenarios ([`scenario`]) with
//! all that they are, context paths, how findings come from marks ([`judge`]), how they get from one to the other ([`wire`]), and
//! the normal form in which they are compared ([`golden`]).
//!
//! Nothing here does I/O, reaches a PostgreSQL symbol or allocates through palloc, so all of it is tested without a server.

pub mod access;
pub mod census;
pub mod check;
pub mod command;
pub mod detail;
pub mod finding;
pub mod fit;
pub mod gap;
pub mod golden;
pub mod handed;
pub mod harm;
pub mod judge;
pub mod like;
pub mod line;
pub mod observed;
pub mod options;
pub mod overrun;
pub mod path;
pub mod room;
pub mod rows;
pub mod scenario;
pub mod site;
pub mod size;
pub mod statement;
pub mod suggest;
pub mod targets;
pub mod wire;
pub mod words;

pub use access::{Access, Act};
pub use check::{CheckKind, Severity};
pub use finding::{Finding, MarkPoint, Phase};
pub use judge::event::Event;
pub use judge::growth::Shape;
pub use path::ContextPath;
pub use scenario::ScenarioKind;
pub use site::{Frame, Line, Site};

/// SQLSTATE of the ERROR that a fault of a target becomes: of the class of internal errors, and nobody else's.
pub const FAULT_SQLSTATE: &[u8; 5] = b"XXMEM";
