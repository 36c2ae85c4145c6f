//! Whose allocation it is: the nearest target on the stack, unless the server was working on its own account in between.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use memcheck_core::Frame;
use memcheck_core::targets::Targets as Wanted;
use pgrx::pg_sys;

use super::barrier::Barriers;
use super::calls::{self, Note};
use super::chosen::StandIn;
use super::found::Found;
use super::handed::{Caller, Handed};
use super::memo::{Memo, Question, Trail};
use super::targets::Targets;
use super::walk::{self, Registers, Walk};
use crate::elf::{Module, symbols};
use crate::trace::stacks::Step;

/// Return addresses in targets that tell sites apart, besides the one where the targets' own code was left, where that is not
/// enough. More of them would make a site of each depth of a recursion.
const TELLING: usize = 8;

/// Frames written down between the allocator and the place of a site, at most.
const BEFORE_SITE: usize = 12;

/// Return addresses that a round of a recursion has at most, where it is written down once.
const ROUND: usize = 4;

/// Stands for the function of a call that was the last thing it did, where that is all that is known.
const TAIL_CALL: &str = "(tail call)";

/// Gives the site at a place its number; 0 where there is no room for another.
pub(crate) trait Numbers: FnMut(Found) -> u32 {}

impl<F: FnMut(Found) -> u32> Numbers for F {}

/// Everything that is needed to tell whose allocation it is.
pub(crate) struct Stack {
    walk: Walk,
    barriers: &'static Barriers,
    end: usize,
    memo: Memo,
    /// The walk that is made now.
    trail: Trail,
    handed: Handed,
    pub(crate) targets: Targets,
    /// Walks that ended before they came to where a target is.
    not_walked: u64,
}

impl Stack {
    /// Learns in the postmaster what is the same in all its children. `stand_in` gives the function of ours that targets call in
    /// place of the server's of a name.
    pub(crate) fn prepare(modules: &[Module], stand_in: StandIn) {
        if let Some(server) = modules.iter().find(|module| module.is_executable()) {
            Barriers::of(server, stand_in);
        }
    }

    /// For the objects that are loaded; `stand_in` is as in [`Stack::prepare`]. The error says what is missing.
    pub(crate) fn new(modules: Vec<Module>, stand_in: StandIn) -> Result<Self, &'static str> {
        let server = modules.iter().find(|module| module.is_executable()).ok_or("no executable found")?;
        let no_memory = "no memory could be reserved for tracing";
        Ok(Stack {
            walk: Walk::new(),
            barriers: Barriers::of(server, stand_in),
            end: walk::stack_end().ok_or("the end of the stack could not be found")?,
            memo: Memo::new().ok_or(no_memory)?,
            trail: Trail::new().ok_or(no_memory)?,
            handed: Handed::default(),
            targets: Targets::new(modules),
            not_walked: 0,
        })
    }

    /// Takes other libraries for the targets. With `by_calls`, places are told apart by all the calls
    /// within the targets that led to them.
    pub(crate) fn want(&mut self, wanted: Wanted, by_calls: bool) {
        self.targets.want(wanted, by_calls);
        self.memo.clear();
        self.not_walked = 0;
    }

    /// Looks for libraries loaded since. Whether there are others than before.
    pub(crate) fn refresh(&mut self) -> bool {
        let changed = self.targets.refresh();
        if changed {
            self.walk.know(&self.targets.modules);
            self.memo.clear();
        }
        changed
    }

    /// What could make an allocation of a target's pass for another's: walks that were cut short, and calls out of the targets
    /// that are not noted.
    pub(crate) fn not_seen(&self) -> u64 {
        self.not_walked + calls::not_noted()
    }

    /// Faults in what is remembered of walks; none unless the engine is wrong.
    pub(crate) fn inconsistencies(&self) -> u64 {
        self.memo.wrong()
    }

    /// The newest call of a target that is under way, if the server does not work on its own account.
    #[inline(always)]
    pub(crate) fn at_work(&self, from: Registers) -> Option<Note> {
        calls::under_way(&self.targets.hull, from.bp(), self.end).filter(|newest| !newest.is_fenced())
    }

    /// What may make an allocation from a context a target's; none where it certainly is not.
    #[inline(always)]
    pub(crate) fn under_way(&mut self, from: Registers, context: pg_sys::MemoryContext) -> Option<Note> {
        let newest = calls::under_way(&self.targets.hull, from.bp(), self.end)?;
        // SAFETY: the allocator's wrappers are given a live context.
        (!newest.is_fenced() || unsafe { self.handed.is_handed_over(context) }).then_some(newest)
    }

    /// Whether the server has chosen a context of its own for what a target's newest call has it allocate, and keeps it. Not
    /// asked about what it hands over.
    #[inline(always)]
    pub(crate) fn is_kept_by_server(&mut self, newest: Note, context: pg_sys::MemoryContext) -> bool {
        let Some(call) = calls::called(newest) else { return false };
        // SAFETY: the allocator's wrappers are given a live context.
        unsafe { self.barriers.chosen.by_server(call, context) && !self.handed.is_handed_over(context) }
    }

    /// The site of an allocation from a context; 0 if no target made it. `number` gives sites their numbers.
    #[inline(always)]
    pub(crate) fn attribute(
        &mut self,
        from: Registers,
        newest: Note,
        context: pg_sys::MemoryContext,
        mut number: impl Numbers,
    ) -> u32 {
        if !newest.is_fenced() {
            let site = self.answer(Question::Call, from, newest, &mut number);
            if site != 0 {
                return site;
            }
        }
        // SAFETY: the allocator's wrappers are given a live context.
        if unsafe { self.handed.is_handed_over(context) } {
            self.answer(Question::Handed, from, newest, &mut number)
        } else {
            0
        }
    }

    /// The site of a call of SPI by which the server allocates something, whoever's it is; 0 if no target made it.
    pub(crate) fn attribute_spi(&mut self, from: Registers, mut number: impl Numbers) -> u32 {
        match calls::under_way(&self.targets.hull, from.bp(), self.end) {
            Some(newest) => self.answer(Question::Handed, from, newest, &mut number),
            None => 0,
        }
    }

    /// The site of a call that a target makes itself; `from` is the frame of the function that it called.
    pub(crate) fn attribute_direct(&mut self, from: Registers, mut number: impl Numbers) -> u32 {
        let caller = self.targets.own_place(from.caller(), from.slot());
        if caller == 0 {
            return 0;
        }
        self.trail.restart();
        let found = self.place(caller, from);
        number(found)
    }

    /// The site of an allocation from the heap; `from` is the frame of the function that stands for malloc.
    #[inline(always)]
    pub(crate) fn attribute_heap(&mut self, from: Registers, mut number: impl Numbers) -> u32 {
        if self.targets.is_plain(from.caller()) {
            return number(Found { key: from.caller(), pc: from.caller() });
        }
        match calls::under_way(&self.targets.hull, from.bp(), self.end) {
            Some(newest) => self.answer(Question::Heap, from, newest, &mut number),
            None => self.attribute_direct(from, number),
        }
    }

    /// The answer that is remembered, or else that of a walk.
    #[inline(always)]
    fn answer(&mut self, question: Question, from: Registers, newest: Note, number: &mut impl Numbers) -> u32 {
        match self.memo.find(question, from, newest, &self.targets.hull, self.end) {
            Some(site) if !self.memo.is_sample() => site,
            known => self.ask(known, question, from, newest, number),
        }
    }

    #[inline(never)]
    fn ask(
        &mut self,
        known: Option<u32>,
        question: Question,
        from: Registers,
        newest: Note,
        number: &mut impl Numbers,
    ) -> u32 {
        self.trail.restart();
        let oldest = newest.oldest(&self.targets.hull, self.end);
        let found = match question {
            Question::Call => self.of_call(from, oldest),
            Question::Handed => self.of_handed(from, oldest),
            Question::Heap => self.of_heap(from, oldest),
        };
        let site = found.map_or(0, number);
        if let Some(kept) = known {
            self.memo.compare(kept, site);
        }
        // A site that there is no number for is to be counted each time.
        if site != 0 || found.is_none() {
            self.memo.keep(question, from, newest, &self.trail, site);
        }
        site
    }

    fn of_call(&mut self, from: Registers, oldest: usize) -> Option<Found> {
        let (mut found, mut barred) = (0, false);
        let (targets, barrier, trail) = (&self.targets, &self.barriers.all, &mut self.trail);
        let mut visit = |trail: &mut Trail, pc, slot| {
            let place = targets.own_place(pc, slot);
            trail.passes(from, pc, slot, place != 0);
            if place != 0 {
                trail.adds_tail(from, pc, slot);
                found = place;
                return false;
            }
            barred |= barrier.contains(pc);
            slot < oldest
        };
        let arrived = self.walk.frames(from, self.end, |pc, slot| visit(trail, pc, slot));
        if !arrived {
            // A library without frame pointers has the server call back.
            trail.restart();
            let arrived = self.walk.all_frames(from, self.end, |pc, slot| visit(trail, pc, slot));
            self.not_walked += u64::from(!arrived);
        }
        if found == 0 || barred { None } else { Some(self.place(found, from)) }
    }

    /// The place of what the server makes for a target that has called SPI.
    fn of_handed(&mut self, from: Registers, oldest: usize) -> Option<Found> {
        let (spi, targets, trail) = (&self.barriers.spi, &self.targets, &mut self.trail);
        let follow = |trail: &mut Trail, caller: &mut Caller, pc, slot| {
            let goes_on = caller.passes(pc, slot, spi.contains(pc));
            trail.passes(from, pc, slot, !goes_on);
            trail.adds_tail(from, pc, slot);
            goes_on && slot < oldest
        };
        let mut caller = Caller::default();
        let arrived = self.walk.frames(from, self.end, |pc, slot| follow(trail, &mut caller, pc, slot));
        if !arrived {
            caller = Caller::default();
            trail.restart();
            let arrived = self.walk.all_frames(from, self.end, |pc, slot| follow(trail, &mut caller, pc, slot));
            self.not_walked += u64::from(!arrived);
        }
        let (pc, slot) = caller.found();
        let found = targets.own_place(pc, slot);
        if found == 0 { None } else { Some(self.place(found, from)) }
    }

    fn of_heap(&mut self, from: Registers, oldest: usize) -> Option<Found> {
        let (mut found, targets, trail) = (0, &self.targets, &mut self.trail);
        let arrived = self.walk.all_frames(from, self.end, |pc, slot| {
            found = targets.own_place(pc, slot);
            let goes_on = found == 0 && !targets.server.contains(&pc);
            trail.passes(from, pc, slot, !goes_on);
            trail.adds_tail(from, pc, slot);
            goes_on && slot < oldest
        });
        self.not_walked += u64::from(!arrived);
        if found == 0 { None } else { Some(self.place(found, from)) }
    }

    /// The place at an address in a target. Where it takes more of the stack to tell it, the trail becomes the way there.
    fn place(&mut self, found: usize, from: Registers) -> Found {
        if self.targets.is_plain(found) { Found { key: found, pc: found } } else { self.tell_apart(found, from) }
    }

    /// A key for the way through the targets that led to an address, and the address where it left the targets' own code,
    /// however far out that is.
    fn tell_apart(&mut self, found: usize, from: Registers) -> Found {
        let mut way = [0; TELLING + 1];
        let (mut length, mut site) = (0, 0);
        let (targets, trail) = (&self.targets, &mut self.trail);
        trail.goes_on();
        self.walk.all_frames(from, self.end, |pc, slot| {
            trail.adds(from, pc, slot);
            trail.adds_tail(from, pc, slot);
            let place = targets.own_place(pc, slot);
            if place != 0 {
                if length < TELLING {
                    way[length] = place;
                    length += 1;
                }
                if site == 0 && !targets.is_private(place) {
                    site = place;
                }
            }
            // Behind the targets' frames, the server has called them.
            let left = length > 0 && targets.server.contains(&pc);
            !left && (length < TELLING || site == 0)
        });
        let site = if site == 0 { found } else { site };
        way[TELLING] = site;
        let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(way) as usize;
        Found { key, pc: site }
    }

    /// Writes down the return addresses from the allocator's caller outwards, without those that the engine itself causes: its own,
    /// and those in the function by which fmgr calls what the engine wants to be told of. Of a long way to the place of the
    /// site only its beginning, and of a recursion one round. Gives their number.
    pub(crate) fn capture(&mut self, from: Registers, site: usize, stack: &mut [Step]) -> usize {
        let (targets, fmgr, most) = (&self.targets, &self.barriers.fmgr, stack.len());
        let (mut frames, mut is_behind) = (0usize, false);
        self.walk.all_frames(from, self.end, |pc, slot| {
            let place = targets.own_place(pc, slot);
            let step = match place {
                0 => Step { pc, place: slot - from.bp() },
                // It may stand for another address, which is not on the stack.
                _ => Step { pc: place, place: 0 },
            };
            is_behind |= step.pc == site;
            let round = &stack[frames.saturating_sub(ROUND)..frames];
            let is_new = round.iter().all(|other| other.pc != step.pc);
            if !targets.own.contains(&step.pc)
                && !fmgr.contains(pc)
                && is_new
                && (is_behind || frames < BEFORE_SITE)
                && let Some(room) = stack.get_mut(frames)
            {
                *room = step;
                frames += 1;
            }
            frames < most
        });
        frames
    }

    /// Where a return address is.
    pub(crate) fn frame(&self, pc: usize) -> Option<Frame> {
        let module = &self.targets.modules[self.targets.module_at(pc)?];
        Some(Frame {
            library: if module.is_executable() { "postgres".to_owned() } else { module.name.clone() },
            build_id: module.build_id.clone(),
            offset: (pc - module.base) as u64,
            symbol: if pc == module.code.start { Some(TAIL_CALL.to_owned()) } else { symbols::function_at(pc) },
            line: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::modules;

    #[test]
    fn walks_that_do_not_arrive_are_counted() {
        let _alone = calls::tests::alone();
        calls::start();
        let mut stack = Stack::new(modules::loaded(), |_| None).unwrap();
        // A frame that nothing has called, and that returns to nowhere.
        let frame = [0usize, 8];
        let from = Registers::made_up((&raw const frame).addr());
        let (near, beyond) = (0, usize::MAX);
        for walk in [Stack::of_call, Stack::of_handed, Stack::of_heap] {
            stack.want(Wanted::default(), false);
            walk(&mut stack, from, near);
            assert_eq!(stack.not_seen(), 0);
            walk(&mut stack, from, beyond);
            assert_eq!(stack.not_seen(), 1);
        }
    }
}
