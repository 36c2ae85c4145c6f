//! Bytes within segments that somebody has named, for which [`super::canaries`] has the place.

use std::ffi::CString;

use super::canaries::{Library, Name, PROBES, Probe, Registry, SENTINEL, with};
use crate::pg::server;

/// Why there can be no probe.
pub(crate) enum NoProbe {
    /// The segment is the server's own, or the engine's.
    NotOfLibrary,
    /// It is a hash table, all of which is in use.
    IsTable,
    /// There are too many.
    TooMany,
}

/// The most probes that there can be.
pub(crate) const MOST_PROBES: usize = PROBES;

/// Names the last byte of a segment for a probe, in place of what was named in it before. The segment is there, and has that size.
pub(crate) fn register(name: &str, size: usize) -> Result<(), NoProbe> {
    let mut found = false;
    let segment = CString::new(name).unwrap_or_default();
    // SAFETY: gives the segment that is there, and makes none.
    let start = unsafe { server::ShmemInitStruct(segment.as_ptr(), size, &mut found) }.expose_provenance();
    let name = Name::new(name);
    let registered = with(|registry| {
        let own = std::ptr::from_mut(registry).addr();
        let owner = registry.guarded().iter().find(|segment| segment.name.is(&name)).copied();
        match owner {
            Some(segment) if segment.is_table => return Err(NoProbe::IsTable),
            // Whatever the server makes for itself is made before the first hook is called, and this with the first one.
            None if start <= own => return Err(NoProbe::NotOfLibrary),
            _ => {}
        }
        let library = owner.map_or(Library::new(""), |segment| segment.library);
        let probe = Probe { name, library, size, at: start + size - 1, is_overwritten: false };
        match registry.probed().iter_mut().find(|probe| probe.name.is(&name)) {
            Some(known) => *known = probe,
            None => {
                let free = registry.all_probed.get_mut(registry.probes).ok_or(NoProbe::TooMany)?;
                *free = probe;
                registry.probes += 1;
            }
        }
        // SAFETY: the last byte of a segment that is there, and of which the caller says that nobody has a use for it.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(probe.at).write_volatile(SENTINEL) };
        Ok(())
    });
    registered.unwrap_or(Err(NoProbe::NotOfLibrary))
}

/// Whether a probe is as it was set; none where there is no such probe.
pub(crate) fn is_intact(name: &str) -> Option<bool> {
    let name = Name::new(name);
    let is_intact = |registry: &mut Registry| {
        let probe = registry.probed().iter().find(|probe| probe.name.is(&name))?;
        // SAFETY: a byte within a segment, which is there as long as shared memory.
        let byte = unsafe { std::ptr::with_exposed_provenance::<u8>(probe.at).read_volatile() };
        Some(!probe.is_overwritten && byte == SENTINEL)
    };
    with(is_intact).flatten()
}

/// Forgets all probes.
pub(crate) fn clear() {
    with(|registry| registry.probes = 0);
}
