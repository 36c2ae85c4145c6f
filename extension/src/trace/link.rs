//! The ledger as a link of the chain: it lets everything pass, and writes it down.

use super::{HEAP, Ledger};
use crate::link::{Link, Request, Room};

impl Link for Ledger {
    #[inline(always)]
    fn after(&mut self, request: &Request, chunk: usize) {
        let &Request { room, size, site, chunk: before } = request;
        match room {
            Room::Context(context) => {
                if before != 0 {
                    self.live.remove(before);
                }
                self.live.insert(chunk, size, context, site);
            }
            Room::Heap => {
                if before != 0 {
                    self.heap.remove(before);
                }
                self.heap.insert(chunk, size, HEAP, site);
            }
        }
    }

    #[inline(always)]
    fn release(&mut self, room: Room, chunk: usize) -> bool {
        match room {
            Room::Context(_) => self.live.remove(chunk),
            Room::Heap => self.heap.remove(chunk),
        };
        false
    }

    #[inline(always)]
    fn reset(&mut self, context: usize) {
        self.live.forget_context(context);
    }

    #[inline(always)]
    fn delete(&mut self, context: usize) {
        self.live.forget_context(context);
        self.book.strike_out(context);
    }
}
