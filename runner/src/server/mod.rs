//! Private PostgreSQL servers: find an installation, stage a copy of it with the engine and the extensions under test on
//! top, make a data directory, start servers from it. Nothing is installed, nothing runs as root, nothing is left behind.

mod account;
mod children;
mod condition;
pub(crate) mod connect;
mod crash;
mod engine;
mod error;
mod extension;
mod find;
mod given;
mod installation;
mod instance;
mod kept;
mod left;
mod options;
mod order;
mod places;
mod platform;
mod probe;
mod process;
mod run_directory;
mod shared_memory;
mod spare;
mod stage;
mod template;
mod tree;
mod workplace;

pub use account::Account;
pub(crate) use children::is_running;
pub use condition::{CONDITION, Change, Condition};
pub use connect::{Attempt, Refusal, Unreached, Unusable};
pub use crash::{Crash, Culprit, End};
pub use engine::{ENGINE, EngineFiles};
pub use error::ServerError;
pub use extension::{Tree, is_ready as extension_is_ready};
pub use given::GivenServer;
pub use installation::{Installation, PgVersion};
pub use instance::{Backend, CONF_FILE, Server};
pub use kept::Kept;
pub use options::ServerOptions;
pub use places::PlacesDirectory;
pub use platform::supported_platform;
pub use probe::Probe;
pub use process::{cleanup_all, interrupt, is_interrupted};
pub use run_directory::RunDirectory;
pub use stage::Stage;
pub use template::{SUPERUSER, Template};
pub use workplace::Workplace;

pub use crate::config::ExtensionSource;
