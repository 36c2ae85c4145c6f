//! The ledger as a link of the chain: it lets everything pass, and writes it down.

use super::stacks::Origin;
use super::{HEAP, Ledger};
use crate::contexts::Context;
use crate::link::{By, Link, Request, Room};

impl Link for Ledger {
    #[inline(always)]
    fn after(&mut self, request: &Request, chunk: usize) {
        let &Request { room, size, site, stack, chunk: before, .. } = request;
        let origin = Origin::new(site, stack);
        match room {
            Room::Context(context) => {
                if before != 0 {
                    self.journal.freed(&mut self.live, before);
                }
                self.journal.allocated(&mut self.live, chunk, size, context, origin);
            }
            Room::Heap => {
                if before != 0 {
                    self.heap.remove(before);
                }
                self.heap.insert(chunk, size, HEAP, origin);
            }
        }
    }

    #[inline(always)]
    fn release(&mut self, room: Room, chunk: usize, _by: By) -> bool {
        match room {
            Room::Context(_) => self.journal.freed(&mut self.live, chunk),
            Room::Heap => drop(self.heap.remove(chunk)),
        }
        false
    }

    #[inline(always)]
    fn reset(&mut self, context: usize, _by: By) {
        self.live.reset_context(context);
    }

    #[inline(always)]
    fn delete(&mut self, context: usize, _by: By) {
        // SAFETY: it is deleted after this.
        let context = unsafe { Context::at(context) };
        self.empties(context);
        self.live.forget_context(context.address());
        if !self.contexts.strike_out(context.address()) && !self.crowd.is_empty() {
            self.crowd.leaves(context.name_address());
        }
    }
}
