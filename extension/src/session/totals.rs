//! How much the traced libraries hold in this session, in all.

use memcheck_core::census::Live;

use crate::wrap;

/// Why that cannot be said.
pub(crate) enum Untold {
    /// Nothing is traced.
    Untraced,
    /// There is no memory for it.
    NoMemory,
}

/// What they hold.
pub(crate) fn totals() -> Result<Live, Untold> {
    if !wrap::is_on() {
        return Err(Untold::Untraced);
    }
    wrap::refresh();
    let counted = super::with(|session| {
        wrap::with(|chain| {
            let census = chain.ledger.booked().held(session.walker());
            census.is_whole().then(|| {
                census.traced().fold(Live::default(), |sum, (_, _, live)| Live {
                    bytes: sum.bytes + live.bytes,
                    allocations: sum.allocations + live.allocations,
                })
            })
        })
    });
    counted.flatten().ok_or(Untold::NoMemory)
}
