//! What is hunted.

use std::time::Instant;

use super::pool::Pool;
use super::script::Head;
use super::subject::Subject;
use crate::init::harvest::Harvest;
use crate::plan::Environment;

/// What is hunted.
pub struct Quarry<'a> {
    /// The head of each spec.
    pub head: Head,
    /// What the server is like.
    pub environment: Environment,
    /// What there is to call.
    pub subjects: Vec<Subject>,
    /// With what.
    pub pool: Pool,
    /// What the repository calls it with.
    pub harvest: &'a Harvest,
    /// What the repository's tests make before they call anything, as far as that works.
    pub ground: Vec<String>,
    /// The tables among it, by name.
    pub tables: Vec<String>,
    /// When it is over, at the latest.
    pub until: Instant,
    /// How often all subjects have their turn; none for as often as there is time.
    pub rounds: Option<u32>,
}
