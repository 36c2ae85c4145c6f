//! Segments of dynamic shared memory: those that the targets have pinned in this session, and those that somebody has tracked by
//! hand.

use memcheck_core::census::SiteId;
use memcheck_core::finding::Finding;
use memcheck_core::judge::outlived::Left;
use memcheck_core::judge::thresholds::severity;
use memcheck_core::{CheckKind, Site, detail, room};

use super::Session;
use crate::pg::{dsm, process, time_text};
use crate::shmem::tracked::{self, Tracked};
use crate::trace::segments::Kept;
use crate::wrap;

/// What one takes with its site (bytes), about.
const SEGMENT: usize = 4096;

impl Session {
    /// Those that the targets have pinned, and have not unpinned, with their handles where those are told.
    pub(crate) fn pinned_segments(&self) -> Vec<(Left, Option<u32>)> {
        let mut kept: Vec<Kept> = Vec::new();
        wrap::with(|chain| {
            chain.ledger.segments.for_each_pinned(|segment| {
                room::push(&mut kept, segment);
            });
        });
        let mut all = Vec::new();
        for Kept { path, handle, origin, bytes } in kept {
            if room::is_there_for(SEGMENT) {
                let site = self.workers.describe(SiteId(origin.site()), origin.stack());
                all.push((Left { path: self.walker.paths().path(path), site, bytes }, handle));
            }
        }
        all
    }

    /// Adds those that this session tracks and still has attached. What the ledger knows of them is not told again.
    pub(super) fn add_tracked(&self, found: &mut Vec<Finding>) {
        let mine: Vec<Tracked> = tracked::all().into_iter().filter(|it| it.pid == process::my_pid()).collect();
        let attached = mine.into_iter().filter(|it| !dsm::is_detached(it.handle, it.pid));
        let mut told: Vec<(Option<Site>, u64)> = Vec::new();
        for segment in attached {
            let origin = wrap::with(|chain| chain.ledger.segments.origin_of(segment.handle)).flatten();
            let site = origin.map(|origin| self.workers.describe(SiteId(origin.site()), origin.stack()));
            match told.iter_mut().find(|(known, _)| *known == site) {
                Some((_, number)) => *number += 1,
                None => _ = room::push(&mut told, (site.clone(), 1)),
            }
            room::push(found, finding(&segment, site));
        }
        found.retain(|finding| {
            let is_told = |(site, number): &(Option<Site>, u64)| {
                let is_it = site.as_ref().zip(finding.site.as_ref()).is_some_and(|(a, b)| a.is_at(b));
                is_it && finding.objects <= *number
            };
            finding.check != CheckKind::DsmLeak || finding.marks.is_empty() || !told.iter().any(is_told)
        });
    }
}

fn finding(segment: &Tracked, site: Option<Site>) -> Finding {
    let Tracked { handle, pid, at, bytes } = *segment;
    let mut detail = detail::still_attached(handle, pid, &time_text(at), bytes);
    if let Some(site) = &site {
        detail.push_str(&format!("; allocated at {}", site.frame.place()));
    }
    let severity = severity(CheckKind::DsmLeak, bytes, None);
    Finding { severity, bytes, ..Finding::of_event(CheckKind::DsmLeak, "dsm", site, detail) }
}
