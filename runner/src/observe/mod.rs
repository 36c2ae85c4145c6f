//! Somebody else's program on a private server whose sessions are all observed: what they have left behind is told by each
//! when it ends.

mod command;
mod frame;
mod looks;
mod merge;
mod record;
mod verdict;

pub use command::{Ended, run};
pub use frame::{Frame, Options, Sights};
pub use merge::Block;
pub use verdict::{Place, Told, Wanted, have_libraries, tell, unloaded};
