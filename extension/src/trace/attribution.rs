//! Whose allocation it is: the nearest target on the stack, unless the server was working on its own account in between.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use pgrx::pg_sys;

use super::Trace;
use super::calls::{self, UnderWay};
use super::handed::{self, Caller};
use super::sites::STACK_FRAMES;
use super::walk::Registers;

/// Return addresses in targets that tell sites apart, where one is not enough.
const TELLING_FRAMES: usize = 8;

impl Trace {
    /// The site of an allocation from a context; none if no target made it.
    #[inline(always)]
    pub(super) fn attribute(&mut self, from: Registers, context: pg_sys::MemoryContext) -> Option<u32> {
        let under_way = calls::under_way(&self.targets.hull, from.sp(), self.stack_end)?;
        let own = self.attribute_call(from, under_way);
        if own.is_none() && handed::is_handed_over(context) { self.attribute_handed(from, under_way) } else { own }
    }

    #[inline(never)]
    fn attribute_call(&mut self, from: Registers, under_way: UnderWay) -> Option<u32> {
        if under_way.fenced {
            return None;
        }
        let (mut found, mut barred) = (0, false);
        let (targets, barrier) = (&self.targets, &self.barrier);
        let mut visit = |pc, slot| {
            if targets.contain(pc) {
                found = pc;
                return false;
            }
            barred |= barrier.contains(pc);
            slot < under_way.oldest
        };
        let arrived = self.walk.frames(from, self.stack_end, &mut visit);
        if !arrived {
            // A library without frame pointers has the server call back.
            self.walk.all_frames(from, self.stack_end, &mut visit);
        }
        if found == 0 || barred { None } else { self.number(found, from) }
    }

    /// The site of what the server makes for a target that has called SPI.
    #[inline(never)]
    fn attribute_handed(&mut self, from: Registers, under_way: UnderWay) -> Option<u32> {
        let spi = &self.spi;
        let follow = |caller: &mut Caller, pc, slot| caller.passes(pc, spi.contains(pc)) && slot < under_way.oldest;
        let mut caller = Caller::default();
        let arrived = self.walk.frames(from, self.stack_end, |pc, slot| follow(&mut caller, pc, slot));
        if !arrived {
            caller = Caller::default();
            self.walk.all_frames(from, self.stack_end, |pc, slot| follow(&mut caller, pc, slot));
        }
        if self.targets.contain(caller.found()) { self.number(caller.found(), from) } else { None }
    }

    /// The site of a call that a target makes itself; `from` is the frame of the function that it called.
    pub(super) fn attribute_direct(&mut self, from: Registers) -> Option<u32> {
        let caller = from.caller();
        if self.targets.contain(caller) { self.number(caller, from) } else { None }
    }

    /// The site of an allocation from the heap; `from` is the frame of the function that stands for malloc.
    pub(super) fn attribute_heap(&mut self, from: Registers) -> Option<u32> {
        let direct = self.attribute_direct(from);
        if direct.is_some() {
            return direct;
        }
        let under_way = calls::under_way(&self.targets.hull, from.sp(), self.stack_end)?;
        let (mut found, targets) = (0, &self.targets);
        self.walk.all_frames(from, self.stack_end, |pc, slot| {
            if targets.contain(pc) {
                found = pc;
            }
            found == 0 && slot < under_way.oldest && !targets.server.contains(&pc)
        });
        if found == 0 { None } else { self.number(found, from) }
    }

    /// The number of the site at an address in a target.
    fn number(&mut self, found: usize, from: Registers) -> Option<u32> {
        let (key, pc) = if self.targets.is_plain(found) { (found, found) } else { self.tell_apart(found, from) };
        let (walk, stack_end, own) = (&mut self.walk, self.stack_end, &self.targets.own);
        let site = self.sites.number(key, pc, |stack| {
            let mut frames = 0;
            walk.all_frames(from, stack_end, |pc, _| {
                if !own.contains(&pc)
                    && let Some(slot) = stack.get_mut(frames)
                {
                    *slot = pc;
                    frames += 1;
                }
                frames < STACK_FRAMES
            });
            frames
        });
        (site != 0).then_some(site)
    }

    /// A key for the way through the targets that led to an address, and the address where it left the targets' own code.
    fn tell_apart(&mut self, found: usize, from: Registers) -> (usize, usize) {
        let mut way = [0; TELLING_FRAMES];
        let (mut length, mut site) = (0, 0);
        let targets = &self.targets;
        self.walk.all_frames(from, self.stack_end, |pc, _| {
            if targets.contain(pc) {
                way[length] = pc;
                length += 1;
                if site == 0 && !targets.is_private(pc) {
                    site = pc;
                }
            }
            // Behind the targets' frames, the server has called them.
            let left = length > 0 && targets.server.contains(&pc);
            !left && length < TELLING_FRAMES
        });
        let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(way) as usize;
        (key, if site == 0 { found } else { site })
    }
}
