//! Allocations of the targets that are made to fail, as a link of the chain: by their number, or because of what the targets hold.
//!
//! What may fail is counted from when that is asked for, in all and by the place that asks. What could not be survived by
//! anybody does not fail, and is not counted: in a critical section, in ErrorContext, and where a transaction is being
//! committed or rolled back, of which an ERROR would make a PANIC (`AbortTransaction` in xact.c).

mod parameter;
mod plan;

use std::cmp::Ordering;

use crate::link::{Before, Link, Request, Room};
use crate::pg::{cancel, held};
use crate::trace::memory::Reserved;
use crate::trace::sites;

pub(crate) use parameter::FailAlloc;
pub(crate) use plan::Plan;

/// Numbers of allocations that are told of a count at most.
const MOST_CHOSEN: usize = 1 << 16;

/// ERRORs that come of it at most. The server has room for five that nobody has done with (`ERRORDATA_STACK_SIZE` in elog.c), and ends all
/// processes by a PANIC where there are more; who allocates while it handles one, as pgrx does, would come to that.
const MOST_RAISED: u64 = 4;

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    /// Its number, from 1 on.
    pub(crate) number: u64,
    /// Bytes that were asked for; 0 where it is no memory.
    pub(crate) size: usize,
    /// The number of the place that has asked.
    pub(crate) site: u32,
    /// The number of the stack; 0 where it is not known.
    pub(crate) stack: u32,
}

/// What a count comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// How many could have failed.
    pub(crate) all: u64,
    /// Places that have asked.
    pub(crate) sites: u64,
    /// The numbers of those that are worth it.
    pub(crate) chosen: Vec<u64>,
    /// How many more are, for whose numbers there was no room.
    pub(crate) not_chosen: u64,
}

/// The link.
pub(crate) struct Failing {
    plan: Plan,
    /// How many could have failed since then.
    made: u64,
    /// How many have.
    failures: u64,
    /// How many of them may have raised an ERROR.
    raised: u64,
    first: Option<Failed>,
    /// Bytes that the targets hold.
    held: u64,
    /// How many by site; only while they are counted.
    by_site: Reserved<u32>,
    sites: u64,
    /// Numbers of those that are worth it.
    chosen: Reserved<u32>,
    chosen_so_far: usize,
    not_chosen: u64,
}

impl Failing {
    /// Reserves its memory; none where the system refuses.
    pub(crate) fn new() -> Option<Self> {
        Some(Failing {
            plan: Plan::Nothing,
            made: 0,
            failures: 0,
            raised: 0,
            first: None,
            held: 0,
            by_site: Reserved::new(sites::MOST)?,
            sites: 0,
            chosen: Reserved::new(MOST_CHOSEN)?,
            chosen_so_far: 0,
            not_chosen: 0,
        })
    }

    /// Counts anew, and has that fail from now on. What has failed so far is forgotten.
    pub(crate) fn set(&mut self, plan: Plan) {
        if matches!(plan, Plan::Count { .. } | Plan::Points { .. }) {
            self.by_site.clear();
        }
        (self.plan, self.made, self.failures, self.first) = (plan, 0, 0, None);
        (self.raised, self.sites, self.chosen_so_far, self.not_chosen) = (0, 0, 0, 0);
    }

    /// Nothing fails any more. What has failed so far is kept.
    pub(crate) fn stop(&mut self) {
        self.plan = Plan::Nothing;
    }

    /// Whether anything may fail, or is counted.
    #[inline(always)]
    pub(crate) fn is_on(&mut self) -> bool {
        if parameter::is_assigned() {
            self.set(parameter::take());
        }
        self.plan != Plan::Nothing
    }

    /// Whether the targets' checks for interrupts count.
    pub(crate) fn counts_checks(&self) -> bool {
        matches!(self.plan, Plan::Points { .. } | Plan::Cancel { .. })
    }

    /// Whether it depends on what the targets hold.
    #[inline(always)]
    pub(crate) fn has_limit(&self) -> bool {
        matches!(self.plan, Plan::Limit { .. })
    }

    /// The first that has failed, and how many have.
    pub(crate) fn failed(&self) -> Option<(Failed, u64)> {
        Some((self.first?, self.failures))
    }

    /// What was counted.
    pub(crate) fn counted(&self) -> Counted {
        let chosen = (0..self.chosen_so_far).map(|index| self.chosen.get(index).into());
        Counted { all: self.made, sites: self.sites, chosen: chosen.collect(), not_chosen: self.not_chosen }
    }

    /// The targets hold so many bytes now.
    pub(crate) fn hold(&mut self, held: u64) {
        self.held = held;
    }

    /// Whether this is to fail: a request for memory, or of none for something else. It is counted.
    #[inline(never)]
    pub(crate) fn fails(&mut self, room: Option<Room>, size: usize, (site, stack): (u32, u32)) -> bool {
        let context = match room {
            Some(Room::Context(context)) => context,
            Some(Room::Heap) | None => 0,
        };
        if !held::may_fail_in(context) {
            return false;
        }
        self.made += 1;
        let may_raise = room != Some(Room::Heap);
        let fails = match self.plan {
            _ if may_raise && self.raised >= MOST_RAISED => false,
            Plan::Nothing => false,
            Plan::Count { first } => {
                self.count(site, first);
                false
            }
            Plan::Points { first } => {
                self.count(site, first);
                // An ERROR that was caught since has let it go (`errfinish` in elog.c).
                cancel::hold();
                false
            }
            Plan::Cancel { number, ends } => {
                match self.made.cmp(&number) {
                    Ordering::Less => cancel::hold(),
                    Ordering::Equal if ends => cancel::terminate(),
                    Ordering::Equal => cancel::cancel(),
                    Ordering::Greater => {}
                }
                if self.made == number {
                    self.first = Some(Failed { number, size, site, stack });
                }
                false
            }
            Plan::Numbered { number, goes_on } => self.made == number || goes_on && self.made > number,
            Plan::Limit { bytes } => room.is_some() && self.held.saturating_add(size as u64) > bytes,
        };
        if fails {
            self.failures += 1;
            self.raised += u64::from(may_raise);
            self.first.get_or_insert(Failed { number: self.made, size, site, stack });
        }
        fails
    }

    /// A target looks for interrupts, which is a point at which its call can be cancelled. Where a cancel is pending, it is raised here,
    /// whatever point has asked for it.
    #[inline(never)]
    pub(crate) fn checks(&mut self, (site, stack): (u32, u32)) {
        self.fails(None, 0, (site, stack));
        if let Some(first) = self.first.as_mut().filter(|_| cancel::is_pending()) {
            (first.site, first.stack) = (site, stack);
        }
    }

    /// Counts a request by its site. The first ones of a site are worth it, and of the others those whose number is a power of two:
    /// what is enlarged now and then is enlarged after ever more of them.
    fn count(&mut self, site: u32, first: u32) {
        let made = self.by_site.at(site as usize % sites::MOST);
        *made = made.saturating_add(1);
        self.sites += u64::from(*made == 1);
        let is_worth_it = *made <= first || made.is_power_of_two();
        if !is_worth_it {
            return;
        }
        match u32::try_from(self.made) {
            Ok(number) if self.chosen_so_far < self.chosen.len() => {
                *self.chosen.at(self.chosen_so_far) = number;
                self.chosen_so_far += 1;
            }
            _ => self.not_chosen += 1,
        }
    }
}

impl Link for Failing {
    #[inline(always)]
    fn before(&mut self, request: &Request) -> Before {
        if self.is_on() && self.fails(Some(request.room), request.size, (request.site, request.stack)) {
            return Before::Refuse;
        }
        Before::Pass
    }
}
