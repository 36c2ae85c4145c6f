//! Portals and plans: what `cursor_leak` counts.
//!
//! Each is several contexts side by side. It is one object, and told by the first of them.

use crate::census::{PathId, PathTable};
use crate::handed::{PLAN_SOURCE, PORTAL, SPI_PLAN};

/// The contexts of an object (`PortalCreateHoldStore` in portalmem.c, `SPI_keepplan` in spi.c, `SaveCachedPlan` and
/// `BuildCachedPlan` in plancache.c). A prepared statement of SQL has no "SPI Plan".
const OBJECTS: [&[&str]; 2] = [&[PORTAL, "PortalHoldContext"], &[SPI_PLAN, PLAN_SOURCE, "CachedPlan"]];

/// Whether contexts with this path are a portal's or a plan's.
pub(crate) fn is_portal_or_plan(paths: &PathTable, path: PathId) -> bool {
    OBJECTS.iter().any(|contexts| contexts.contains(&paths.name(path)))
}

/// The path by which the object is told that contexts with this path are a part of, if it is another one of those that pile
/// up.
pub(crate) fn told_by(paths: &PathTable, piles: &[PathId], path: PathId) -> Option<PathId> {
    let contexts = OBJECTS.iter().find(|contexts| contexts.contains(&paths.name(path)))?;
    let sibling = |name: &&str| {
        let is_it = |&pile: &PathId| paths.name(pile) == *name && paths.parent(pile) == paths.parent(path);
        piles.iter().copied().find(is_it)
    };
    contexts.iter().find_map(sibling).filter(|&first| first != path)
}
