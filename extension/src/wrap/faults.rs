//! What handlers of faults ask of the chain.

use memcheck_core::Act;

use super::chain::with;
use crate::guard::faults::{Touch, Touched};
use crate::stack::Targets;
use crate::trace::stacks::{Origin, Step};

/// Shows the targets.
pub(crate) fn targets(show: &mut dyn FnMut(&Targets)) {
    with(|chain| show(&chain.stack.targets));
}

/// Looks whose chunk it was that was touched, and notes that. In a signal handler.
pub(crate) fn touches(touch: &Touch) -> Option<Touched> {
    with(|chain| {
        let chunk = chain.guard.pages.describe(touch.address)?;
        // The server looks before a chunk that it is to free; a target that does so itself has gone astray.
        let is_targets = touch.stack.first() == Some(&touch.place);
        let act = if chunk.is_header(touch.address) && !is_targets { Some(Act::Release) } else { touch.act };
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
