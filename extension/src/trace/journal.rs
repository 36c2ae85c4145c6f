//! The journal: what has happened to memory in contexts and is not in the live table yet.
//!
//! Most of what a target allocates goes with a reset of its context a moment later. To put all of that into a table and to take
//! it out again is most of what tracing a busy target would cost. So it is written down first, in order, and booked when
//! somebody reads the ledger or when the journal is full. Each context has a number that changes when everything in it goes:
//! an allocation whose context has another number by then is gone, and is passed over. So is one that was freed shortly after.
//!
//! That is all that the order is disturbed by, and it is as good: between an allocation and the reset of its context nobody else
//! can have been given its address. Where peaks are counted, everything is booked at once.

use super::filled::ContextRecord;
use super::stacks::Origin;
use super::table::LiveTable;

/// Events in the journal at most: as many as there is room for beside everything else in the processor's nearest cache.
const MOST: usize = 256;

/// Events looked back at when something is freed. Much is freed right after it was allocated.
const NEAR: usize = 8;

/// Something that has happened.
#[derive(Clone, Copy)]
struct Event {
    address: usize,
    bytes: usize,
    /// Where it was allocated.
    context: ContextRecord,
    /// The site that has allocated it, and with which stack; site 0 where it was freed.
    origin: Origin,
}

/// The journal of one table.
pub(crate) struct Journal {
    events: [Event; MOST],
    length: usize,
}

impl Journal {
    pub(crate) const fn new() -> Self {
        let nothing = Event { address: 0, bytes: 0, context: ContextRecord::NONE, origin: Origin::NONE };
        Journal { events: [nothing; MOST], length: 0 }
    }

    /// Forgets what is in it.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// A site has allocated something.
    #[inline(always)]
    pub(crate) fn allocated(
        &mut self,
        table: &mut LiveTable,
        address: usize,
        bytes: usize,
        context: usize,
        origin: impl Into<Origin>,
    ) {
        let origin = origin.into();
        if table.counts_peaks() {
            return table.insert(address, bytes, context, origin);
        }
        if let Some(context) = table.context_record(context, origin.site()) {
            self.write(table, Event { address, bytes, context, origin });
        }
    }

    /// Something was freed, which may be nothing that was written down.
    #[inline(always)]
    pub(crate) fn freed(&mut self, table: &mut LiveTable, address: usize) {
        if self.length > 0 {
            for back in 1..=NEAR.min(self.length) {
                let event = &mut self.events[(self.length - back) % MOST];
                if event.address == address && event.origin != Origin::NONE {
                    event.context = ContextRecord::GONE;
                    return;
                }
            }
            self.write(table, Event { address, bytes: 0, context: ContextRecord::NONE, origin: Origin::NONE });
        } else {
            table.remove(address);
        }
    }

    #[inline(always)]
    fn write(&mut self, table: &mut LiveTable, event: Event) {
        self.events[self.length % MOST] = event;
        self.length += 1;
        if self.length == MOST {
            self.book(table);
        }
    }

    /// Whether something was allocated a moment ago and is not booked.
    pub(crate) fn has_just(&self, address: usize) -> bool {
        let near = (1..=NEAR.min(self.length)).map(|back| &self.events[(self.length - back) % MOST]);
        near.into_iter()
            .any(|event| event.address == address && event.origin != Origin::NONE && event.context.is_there())
    }

    /// Books everything.
    #[inline(never)]
    pub(crate) fn book(&mut self, table: &mut LiveTable) {
        for event in &self.events[..self.length] {
            if event.origin == Origin::NONE {
                table.remove(event.address);
            } else if let Some(context) = table.if_same(event.context) {
                table.insert(event.address, event.bytes, context, event.origin);
            }
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A table with a journal against a plain map, over a long random history in which addresses are handed out as an allocator
    /// does: never one that is held.
    #[test]
    fn agrees_with_a_map() {
        let (mut journal, mut table) = (Journal::new(), LiveTable::new(14, 7).unwrap());
        let mut map: HashMap<usize, (usize, u32, u64)> = HashMap::new();
        let mut state = 7u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for step in 0..300_000 {
            let address = 0x7000_0000 + random(300) as usize * 16;
            let context = 0x5000_0000 + random(8) as usize * 64;
            match random(20) {
                0..=11 => {
                    map.entry(address).or_insert_with(|| {
                        let (site, bytes) = (1 + random(7) as u32, random(500));
                        journal.allocated(&mut table, address, bytes as usize, context, site);
                        (context, site, bytes)
                    });
                }
                12..=17 => {
                    journal.freed(&mut table, address);
                    map.remove(&address);
                }
                18 => {
                    table.reset_context(context);
                    map.retain(|_, (held_in, ..)| *held_in != context);
                }
                _ => {
                    table.forget_context(context);
                    map.retain(|_, (held_in, ..)| *held_in != context);
                }
            }
            if random(2000) == 0 || step % 30_000 == 0 {
                journal.book(&mut table);
                let mut seen = Vec::new();
                table.for_each_since(0, |_, context, site, bytes| seen.push((context, site, bytes)));
                seen.sort_unstable();
                let mut expected: Vec<_> = map.values().copied().collect();
                expected.sort_unstable();
                assert_eq!(seen, expected, "after {step} steps");
                assert_eq!(table.inconsistencies(|_| true), 0);
            }
        }
    }

    #[test]
    fn peaks_see_everything_in_order() {
        let (mut journal, mut table) = (Journal::new(), LiveTable::new(8, 4).unwrap());
        table.start_step(|_, names| names.set([c"mine"]));
        for _ in 0..10 {
            journal.allocated(&mut table, 0x7000, 100, 0x5000, 1);
            table.reset_context(0x5000);
        }
        let mut peaks = Vec::new();
        table.peaks().for_each(|site, held, _| peaks.push((site, held.bytes, held.allocations)));
        assert_eq!(peaks, [(1, 100, 1)]);
    }
}
