//! Contexts that the server makes and hands to whoever called it, to be freed by the caller.
//!
//! What is in them is laid out by the server, so their size is not the same on two versions of it; how many there are is.

/// The result of an SPI query, until `SPI_freetuptable` (`spi_dest_startup` in spi.c).
const RESULT: &str = "SPI TupTable";
/// A plan prepared through SPI, until `SPI_freeplan` (`_SPI_make_plan_non_temp` in spi.c).
pub(crate) const SPI_PLAN: &str = "SPI Plan";
/// The source of a prepared statement, of SPI or of SQL, and the query it was parsed to (`CreateCachedPlan` and
/// `CompleteCachedPlan` in plancache.c).
pub(crate) const PLAN_SOURCE: &str = "CachedPlanSource";
const PLAN_QUERY: &str = "CachedPlanQuery";
/// A portal, until it is closed (`CreatePortal` in portalmem.c).
pub(crate) const PORTAL: &str = "PortalContext";

/// What the names of these contexts begin with.
pub const INITIALS: [u8; 3] = *b"SCP";

/// Whether a context with this name belongs to the caller of SPI that had it made.
///
/// Not so "CachedPlan": the server makes and drops generic plans as it sees fit.
pub fn is_handed_over(name: &str) -> bool {
    [RESULT, SPI_PLAN, PLAN_SOURCE, PLAN_QUERY, PORTAL].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::{INITIALS, is_handed_over};

    #[test]
    fn results_plans_and_portals_are_the_callers() {
        for name in ["SPI TupTable", "SPI Plan", "CachedPlanSource", "CachedPlanQuery", "PortalContext"] {
            assert!(is_handed_over(name) && INITIALS.contains(&name.as_bytes()[0]), "{name}");
        }
        for name in ["CachedPlan", "SPI Proc", "SPI Exec", "ExecutorState", "PortalHoldContext", ""] {
            assert!(!is_handed_over(name), "{name}");
        }
    }
}
