//! What the workers of a sweep are told, and what they tell.

use memcheck_core::harm::{self, Harm};
use memcheck_core::wire::SiteRecord;
use serde::{Deserialize, Serialize};

use crate::inject::Plan;

/// What is made to fail in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Fails {
    /// The allocation with this number.
    One(u64),
    /// All from that one on.
    From(u64),
    /// What would have the targets hold more than so many bytes.
    Beyond(u64),
}

impl Fails {
    pub(in super::super) fn plan(self) -> Plan {
        match self {
            Fails::One(number) => Plan::Numbered { number, goes_on: false },
            Fails::From(number) => Plan::Numbered { number, goes_on: true },
            Fails::Beyond(bytes) => Plan::Limit { bytes },
        }
    }

    fn goes_on(self) -> bool {
        !matches!(self, Fails::One(_))
    }
}

/// What a call comes to where nothing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Expected {
    /// The answer; none where it is not always the same.
    pub(in super::super) answer: Option<u64>,
    /// How long a call may take before it is said to hang (milliseconds).
    pub(in super::super) patience: u64,
}

/// What a worker of a sweep is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Part {
    /// Calls as it is, often enough to learn what is usual.
    Learn { first: u32 },
    /// Counts what the first call of a session could fail of.
    Count { first: u32, libraries: Vec<String> },
    /// One failure in the first call of a session, and in so many calls before it was right for once.
    First { libraries: Vec<String>, fails: Fails, times: i64, expected: Expected },
    /// One failure after the other in later calls.
    Later { fails: Vec<Fails>, expected: Expected },
}

/// What a call usually comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Usual {
    /// The answer; none where it is not always the same.
    pub(in super::super) answer: Option<u64>,
    /// How long the slowest has taken (milliseconds).
    pub(in super::super) slowest: u64,
    /// The files of the targets.
    pub(in super::super) libraries: Vec<String>,
    /// How many allocations could fail in it, how many places make them, and the numbers of those that are worth it.
    pub(in super::super) allocations: u64,
    pub(in super::super) sites: u64,
    pub(in super::super) chosen: Vec<u64>,
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct HeldAt {
    pub(in super::super) library: String,
    pub(in super::super) offset: u64,
    pub(in super::super) function: String,
    pub(in super::super) bytes: i64,
    pub(in super::super) number: i64,
}

/// What has failed, and what has come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Harmed {
    harm: String,
    number: u64,
    goes_on: bool,
    bytes: u64,
    is_first_call: bool,
    site: Option<SiteRecord>,
    what: String,
}

impl Harmed {
    pub(in super::super) fn new(
        harm: Harm,
        failed: &harm::Failed,
        site: Option<&memcheck_core::Site>,
        what: String,
    ) -> Self {
        let &harm::Failed { number, goes_on, bytes, is_first_call } = failed;
        Harmed { harm: harm.to_string(), number, goes_on, bytes, is_first_call, site: site.map(Into::into), what }
    }

    /// The library of the place that has failed, and where in it that is.
    pub(in super::super) fn place(&self) -> Option<(&str, u64)> {
        let address = &self.site.as_ref()?.frame.address;
        Some((&address.library, address.offset))
    }

    /// The same, as what it has come to.
    pub(in super::super) fn comes_to(self, what: String) -> Self {
        Harmed { what, ..self }
    }

    pub(in super::super) fn harm(&self) -> Option<Harm> {
        self.harm.parse().ok()
    }

    pub(in super::super) fn finding(&self) -> Option<memcheck_core::Finding> {
        let &Harmed { number, goes_on, bytes, is_first_call, .. } = self;
        let failed = harm::Failed { number, goes_on, bytes, is_first_call };
        let site = self.site.as_ref().map(Into::into);
        Some(harm::finding(self.harm()?, &failed, site, &self.what))
    }
}

/// What has failed, as findings have it.
pub(in super::super) fn failed(
    fails: Fails,
    failed: Option<crate::inject::Failed>,
    is_first_call: bool,
) -> harm::Failed {
    let number = match (failed, fails) {
        (Some(failed), _) => failed.number,
        (None, Fails::One(number) | Fails::From(number)) => number,
        (None, Fails::Beyond(_)) => 0,
    };
    harm::Failed {
        number,
        goes_on: fails.goes_on(),
        bytes: failed.map_or(0, |failed| failed.size as u64),
        is_first_call,
    }
}

/// What a worker says.
#[derive(Serialize, Deserialize)]
pub(in super::super) enum Said {
    /// This is going to fail.
    Fails(Fails),
    /// It has not come to it.
    NotReached,
    Usual(Usual),
    /// What is held; and, where something has failed before, what that was.
    Held(Vec<HeldAt>, Option<Harmed>),
    Harmed(Harmed),
    /// All is done that was to be, or something was found behind which nothing is sure.
    Done,
    /// What its window has found, and looked at.
    Closed(serde_json::Value),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again() {
        let failed = failed(Fails::From(7), None, true);
        assert_eq!((failed.number, failed.goes_on), (7, true));
        let harmed = Harmed::new(Harm::Wedged, &failed, None, "ERROR: no".to_owned());
        let text = serde_json::to_vec(&Said::Harmed(harmed.clone())).unwrap();
        let Said::Harmed(read) = serde_json::from_slice(&text).unwrap() else { panic!("something else") };
        assert_eq!(read, harmed);
        assert_eq!(read.finding().unwrap().path.leaf(), "wedged");
    }
}
