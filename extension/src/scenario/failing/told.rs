//! What the workers of a sweep are told, and what they tell.

use memcheck_core::harm::{self, Harm, Moment};
use memcheck_core::wire::SiteRecord;
use serde::{Deserialize, Serialize};

use crate::inject::Plan;
use crate::pg::waits::Lock;

/// What is made to fail in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Fails {
    /// The allocation with this number.
    One(u64),
    /// All from that one on.
    From(u64),
    /// What would have the targets hold more than so many bytes.
    Beyond(u64),
    /// The call, which is cancelled at the point with this number.
    Cancel(u64),
    /// The session, which is terminated there.
    Terminate(u64),
    /// The call, by statement_timeout after so many milliseconds.
    After(u64),
    /// The call, by another process after so many milliseconds.
    Signal(u64),
    /// The session, which another process terminates after so many milliseconds.
    EndingSignal(u64),
    /// The call, or the session, while it waits for a lock that another process holds.
    Wait(Wait),
}

/// A wait for a lock, and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Wait {
    pub(in super::super) lock: Lock,
    pub(in super::super) until: Until,
}

/// What ends a wait for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Until {
    LockTimeout,
    StatementTimeout,
    /// Another process cancels the call.
    Signal,
    /// Another process terminates the session.
    EndingSignal,
}

impl Until {
    /// Those behind which the session goes on.
    pub(in super::super) const CALLS: [Until; 3] = [Until::LockTimeout, Until::StatementTimeout, Until::Signal];

    /// Whether another process sends a signal, and whether that ends the session.
    pub(in super::super) fn signal(self) -> Option<bool> {
        match self {
            Until::LockTimeout | Until::StatementTimeout => None,
            Until::Signal => Some(false),
            Until::EndingSignal => Some(true),
        }
    }
}

impl Fails {
    pub(in super::super) fn plan(self) -> Plan {
        match self {
            Fails::One(number) => Plan::Numbered { number, goes_on: false },
            Fails::From(number) => Plan::Numbered { number, goes_on: true },
            Fails::Beyond(bytes) => Plan::Limit { bytes },
            Fails::Cancel(number) => Plan::Cancel { number, ends: false },
            Fails::Terminate(number) => Plan::Cancel { number, ends: true },
            Fails::After(_) | Fails::Signal(_) | Fails::EndingSignal(_) | Fails::Wait(_) => Plan::Nothing,
        }
    }

    fn goes_on(self) -> bool {
        matches!(self, Fails::From(_) | Fails::Beyond(_))
    }

    /// Whether something is cancelled, and nothing fails.
    pub(in super::super) fn cancels(self) -> bool {
        !matches!(self, Fails::One(_) | Fails::From(_) | Fails::Beyond(_))
    }

    /// Whether the session is to end of it.
    pub(in super::super) fn ends(self) -> bool {
        match self {
            Fails::Terminate(_) | Fails::EndingSignal(_) => true,
            Fails::Wait(wait) => wait.until.signal() == Some(true),
            _ => false,
        }
    }

    /// At which moment something is cancelled, where that is what happens. In a transaction.
    fn moment(self) -> Option<Moment> {
        match self {
            Fails::Cancel(number) => Some(Moment::Point(number)),
            Fails::Terminate(number) => Some(Moment::End(number)),
            Fails::After(milliseconds) => Some(Moment::After(milliseconds)),
            Fails::Signal(milliseconds) => Some(Moment::Signal(milliseconds)),
            Fails::EndingSignal(milliseconds) => Some(Moment::EndingSignal(milliseconds)),
            Fails::Wait(Wait { lock, until }) => {
                let lock = lock.name();
                Some(match until {
                    Until::LockTimeout => Moment::Wait { lock, by: "lock_timeout" },
                    Until::StatementTimeout => Moment::Wait { lock, by: "statement_timeout" },
                    Until::Signal => Moment::Wait { lock, by: "another process" },
                    Until::EndingSignal => Moment::EndOfWait { lock },
                })
            }
            Fails::One(_) | Fails::From(_) | Fails::Beyond(_) => None,
        }
    }
}

/// What a call comes to where nothing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Expected {
    /// The answer; none where it is not always the same.
    pub(in super::super) answer: Option<u64>,
    /// How long a call may take before it is said to hang (milliseconds).
    pub(in super::super) patience: u64,
    /// How long later calls may take together (milliseconds), where there is a limit.
    pub(in super::super) budget: Option<u64>,
}

/// What a worker of a sweep is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Part {
    /// Calls as it is, often enough to learn what is usual.
    Learn { first: u32, cancels: bool },
    /// Counts what the first call of a session could fail of.
    Count { first: u32, cancels: bool, libraries: Vec<String> },
    /// One failure in the first call of a session, and in so many calls before it was right for once.
    First { libraries: Vec<String>, fails: Fails, times: i64, expected: Expected },
    /// One failure after the other in later calls.
    Later { fails: Vec<Fails>, expected: Expected },
    /// The session is terminated in its second call.
    Terminate { libraries: Vec<String>, fails: Fails, expected: Expected },
    /// The first call of a session behind one that was.
    Behind { at: Harmed, expected: Expected },
}

impl Part {
    /// How long a call of it may take (milliseconds), where that is known.
    pub(in super::super) fn patience(&self) -> Option<u64> {
        match self {
            Part::Learn { .. } | Part::Count { .. } => None,
            Part::First { expected, .. }
            | Part::Later { expected, .. }
            | Part::Terminate { expected, .. }
            | Part::Behind { expected, .. } => Some(expected.patience),
        }
    }

    /// How many failures it tries.
    pub(in super::super) fn failures(&self) -> u64 {
        match self {
            Part::Learn { .. } | Part::Count { .. } | Part::Behind { .. } => 0,
            Part::First { .. } | Part::Terminate { .. } => 1,
            Part::Later { fails, .. } => fails.len() as u64,
        }
    }
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
    /// How many more are, for whose numbers there was no room.
    pub(in super::super) not_chosen: u64,
    /// The locks that calls have held at their end, for which others can be made to wait.
    pub(in super::super) locks: Vec<Lock>,
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
    fails: Fails,
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
        fails: Fails,
        failed: &harm::Failed,
        site: Option<&memcheck_core::Site>,
        what: String,
    ) -> Self {
        let &harm::Failed { number, goes_on, bytes, is_first_call } = failed;
        Harmed {
            harm: harm.to_string(),
            fails,
            number,
            goes_on,
            bytes,
            is_first_call,
            site: site.map(Into::into),
            what,
        }
    }

    /// The library of the place that has failed, and where in it that is.
    pub(in super::super) fn place(&self) -> Option<(&str, u64)> {
        let address = &self.site.as_ref()?.frame.address;
        Some((&address.library, address.offset))
    }

    /// Whether it was cancelled, and nothing has failed.
    pub(in super::super) fn cancels(&self) -> bool {
        self.fails.cancels()
    }

    /// The same, as what it has come to.
    pub(in super::super) fn comes_to(self, what: String) -> Self {
        Harmed { what, ..self }
    }

    /// Where it is, where nothing has said so yet.
    pub(in super::super) fn or_at(self, place: Option<memcheck_core::Site>) -> Self {
        let place = || place.as_ref().map(Into::into);
        Harmed { site: self.site.clone().or_else(place), ..self }
    }

    /// What has come of it.
    pub(in super::super) fn has_done(self, harm: Harm, what: String) -> Self {
        Harmed { harm: harm.to_string(), what, ..self }
    }

    pub(in super::super) fn fails(&self) -> Fails {
        self.fails
    }

    pub(in super::super) fn harm(&self) -> Option<Harm> {
        self.harm.parse().ok()
    }

    pub(in super::super) fn finding(&self) -> Option<memcheck_core::Finding> {
        let &Harmed { number, goes_on, bytes, is_first_call, .. } = self;
        let failed = harm::Failed { number, goes_on, bytes, is_first_call };
        let site = self.site.as_ref().map(Into::into);
        Some(finding(self.harm()?, self.fails, &failed, site, &self.what))
    }
}

/// The finding of what has failed, or was cancelled.
pub(in super::super) fn finding(
    harm: Harm,
    fails: Fails,
    failed: &harm::Failed,
    site: Option<memcheck_core::Site>,
    what: &str,
) -> memcheck_core::Finding {
    match fails.moment() {
        Some(moment) => harm::cancelled(harm, &moment, failed.is_first_call, site, what),
        None => harm::finding(harm, failed, site, what),
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
        (None, _) => 0,
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
    /// The caller is to take that lock, and what it is for.
    Hold(Wait),
    /// The caller is to give it back.
    LetGo,
    /// The caller is to send a signal after so many milliseconds, perhaps one that ends the session.
    Signal(u64, bool),
    /// There is no time for the others.
    OutOfTime,
    Usual(Usual),
    /// What is held; and, where something has failed before, what that was.
    Held(Vec<HeldAt>, Option<Harmed>),
    Harmed(Harmed),
    /// All is done that was to be, or something was found behind which nothing is sure.
    Done,
    /// The session is terminated, and where.
    Terminated(Harmed),
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
        let harmed = Harmed::new(Harm::Wedged, Fails::From(7), &failed, None, "ERROR: no".to_owned());
        let text = serde_json::to_vec(&Said::Harmed(harmed.clone())).unwrap();
        let Said::Harmed(read) = serde_json::from_slice(&text).unwrap() else { panic!("something else") };
        assert_eq!(read, harmed);
        assert_eq!(read.finding().unwrap().path.leaf(), "wedged");
    }
}
