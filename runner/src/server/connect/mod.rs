//! Connections to a server, none of which waits without end.

mod copy;
mod cut;
mod reach;
mod refusal;
mod settings;
mod tls;
mod unreached;
mod unusable;
mod wire;

pub(crate) use copy::{NO_DATA, Supply};
pub(crate) use reach::{Canceller, Connected, Connection, ask, connect, runtime};
pub(crate) use refusal::Answer;
pub use refusal::Refusal;
pub(crate) use settings::{Settings, Surroundings};
pub use unreached::{Attempt, Unreached};
pub use unusable::Unusable;
