//! Where a library leaves its code by jumps: which of them it was.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::elf::{self, Functions, Module, Tail};

/// Functions looked at that a function jumps on to within its library, at most.
const MOST: usize = 16;

/// The jumps out of one library.
pub(super) struct JumpsOut {
    name: String,
    pub(super) code: Range<usize>,
    functions: Option<Functions>,
    tails: Vec<Tail>,
}

impl JumpsOut {
    /// Those of a loaded object.
    pub(super) fn of(module: &Module) -> Self {
        JumpsOut {
            name: module.name.clone(),
            code: module.code.clone(),
            functions: Functions::of(module),
            tails: elf::tails(module),
        }
    }

    pub(super) fn are_of(&self, module: &Module) -> bool {
        self.code == module.code && self.name == module.name
    }

    /// Whether there is a jump through a slot.
    pub(super) fn are_through(&self, slot: usize) -> bool {
        self.tails.iter().any(|tail| tail.slot == slot)
    }

    /// The address behind the jump through a slot that holds a function, by a function that fmgr has called. Where there are several
    /// such jumps, the beginning of the function that they are in; or else of the one that was called; or of the code.
    pub(super) fn place(&self, held: usize, entry: Option<NonZeroUsize>) -> usize {
        // SAFETY: slots of an object that stays loaded.
        let is_through = |tail: &&Tail| unsafe { (tail.slot as *const usize).read() } == held;
        let through = || self.tails.iter().filter(is_through).map(|tail| tail.pc);
        let entry = entry.map(NonZeroUsize::get).filter(|entry| self.code.contains(entry));
        let one = self.one_of(through());
        let one = one.or_else(|| {
            let near = self.jumped_on_to(entry?);
            self.one_of(through().filter(|pc| near.iter().any(|function| function.contains(&(pc - 1)))))
        });
        one.or(entry.map(behind)).unwrap_or(self.code.start)
    }

    /// The only one of some addresses; or the function that all of them are in.
    fn one_of(&self, mut places: impl Iterator<Item = usize>) -> Option<usize> {
        let first = places.next()?;
        let function = self.functions.as_ref().and_then(|functions| functions.around(first - 1));
        let mut place = first;
        for other in places {
            let function = function.as_ref().filter(|function| function.contains(&(other - 1)))?;
            place = behind(function.start);
        }
        Some(place)
    }

    /// A function, and those of the library that it ends in, or those that they end in.
    fn jumped_on_to(&self, entry: usize) -> [Range<usize>; MOST] {
        let mut found = [const { 0..0 }; MOST];
        let Some(functions) = &self.functions else { return found };
        let mut length = 0;
        let add = |found: &mut [Range<usize>; MOST], length: &mut usize, start: usize| {
            let known = found[..*length].iter().any(|function| function.contains(&start));
            if !known
                && *length < MOST
                && self.code.contains(&start)
                && let Some(function) = functions.starting_at(start)
            {
                found[*length] = function;
                *length += 1;
            }
        };
        add(&mut found, &mut length, entry);
        let mut next = 0;
        while next < length {
            let function = found[next].clone();
            for start in elf::jumps(&function) {
                add(&mut found, &mut length, start);
            }
            next += 1;
        }
        found
    }
}

/// An address in a function as if a call at its beginning returned to it.
fn behind(function: usize) -> usize {
    function + 1
}
