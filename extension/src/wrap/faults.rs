//! What handlers of faults ask of the chain.

use memcheck_core::Act;

use super::chain::{Chain, with};
use crate::guard::faults::{Touch, Touched};
use crate::guard::pages::Fate;
use crate::link::is_served;
use crate::pg::build::HEADER_HAS_CONTEXT;
use crate::stack::Targets;
use crate::trace::stacks::{Origin, Step};

/// Shows the targets.
pub(crate) fn targets(show: &mut dyn FnMut(&Targets)) {
    with(|chain| show(&chain.stack.targets));
}

/// Opens the word before a chunk at which the server has faulted, and who else may read it: on 15 that is any code, since
/// `GetMemoryChunkContext` of memutils.h is inlined. Whether it was closed. In a signal handler.
pub(crate) fn opens(address: usize, pc: usize) -> bool {
    let opens = |chain: &mut Chain| {
        let targets = &chain.stack.targets;
        let may_read = HEADER_HAS_CONTEXT || targets.server.contains(&pc) || targets.own.contains(&pc);
        may_read && chain.guard.pages.open(address)
    };
    is_served(address) && with(opens).unwrap_or(false)
}

/// Looks whose chunk it was that was touched, and notes that. In a signal handler.
pub(crate) fn touches(touch: &Touch) -> Option<Touched> {
    with(|chain| {
        let chunk = chain.guard.pages.describe(touch.address)?;
        // The server looks before a chunk that it is to free; a target that does so itself has gone astray.
        let is_targets = touch.stack.first() == Some(&touch.place);
        let is_freed = chunk.fate != Fate::Live && chunk.is_header(touch.address) && !is_targets;
        let act = if is_freed { Some(Act::Release) } else { touch.act };
        let ledger = &mut chain.ledger;
        let site = if touch.place == 0 { 0 } else { ledger.sites.number(touch.place, touch.place) };
        let at = if site == 0 {
            Origin::NONE
        } else {
            ledger.stacks.origin(site, touch.sp, |steps| {
                for (step, &pc) in steps.iter_mut().zip(touch.stack) {
                    *step = Step { pc, place: 0 };
                }
                touch.stack.len()
            })
        };
        let offset = if act == Some(Act::Release) { 0 } else { touch.address.wrapping_sub(chunk.start) as isize };
        let seen = chunk.seen(act, offset, 0, at);
        chain.guard.accesses.note(seen);
        let place = |origin: Origin| if origin == Origin::NONE { 0 } else { ledger.sites.get(origin.site()).pc };
        Some(Touched {
            check: seen.check,
            act,
            offset,
            requested: seen.requested,
            context: seen.context,
            allocated: place(seen.allocated),
            released: place(seen.released),
        })
    })
    .flatten()
}
