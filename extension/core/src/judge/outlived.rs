//! What sessions have left that have ended: segments of dynamic shared memory that are still there.
//!
//! Something that is there once for the cluster the first session makes, and the others find it. What each of them leaves is a
//! leak.

use crate::census::Live;
use crate::check::CheckKind;
use crate::detail;
use crate::finding::{Finding, sort};
use crate::judge::curve::Curve;
use crate::path::ContextPath;
use crate::room;
use crate::site::Site;

/// A segment that is there, and nobody has it mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What it is called.
    pub path: ContextPath,
    /// Who has pinned it.
    pub site: Site,
    /// Its size.
    pub bytes: u64,
}

impl Left {
    fn is_like(&self, other: &Left) -> bool {
        self.path == other.path && self.site.is_at(&other.site)
    }
}

/// One finding for each place that leaves something in one session after the other, each of which has run the workload so often.
pub fn judge(sessions: &[Vec<Left>], iterations: u64) -> Vec<Finding> {
    let mut places: Vec<&Left> = Vec::new();
    for left in sessions.iter().flatten() {
        if !places.iter().any(|known| known.is_like(left)) {
            room::push(&mut places, left);
        }
    }
    let mut findings = Vec::new();
    for place in places {
        let (mut sum, mut points) = (Live::default(), vec![(0, Live::default())]);
        for (number, session) in (1..).zip(sessions) {
            for left in session.iter().filter(|left| left.is_like(place)) {
                sum.add(Live { bytes: left.bytes, allocations: 1 });
            }
            points.push((number * iterations, sum));
        }
        let curve = Curve { points };
        let trend = curve.trend();
        if trend.bytes.is_some() {
            let kind = place.path.leaf();
            let found = Finding {
                source_lib: place.site.frame.library.clone(),
                detail: detail::outlived(kind, sessions.len() as u64, sum, &place.site),
                site: Some(place.site.clone()),
                ..curve.finding(CheckKind::DsmLeak, place.path.clone(), trend, trend.shape_of_bytes())
            };
            room::push(&mut findings, found);
        }
    }
    sort(&mut findings);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::SiteId;
    use crate::site::Frame;

    fn left(offset: u64, bytes: u64) -> Left {
        let frame = Frame { library: "mine".to_owned(), offset, ..Frame::default() };
        Left { path: ContextPath::new(["dsm"]), site: Site { frame, ..Site::numbered(SiteId(0)) }, bytes }
    }

    #[test]
    fn what_each_session_leaves_is_a_leak() {
        let sessions = [vec![left(1, 100), left(2, 50)], vec![left(1, 100)], vec![left(1, 100)]];
        let found = judge(&sessions, 20);
        let told: Vec<_> = found
            .iter()
            .map(|it| (it.bytes, it.objects, it.iterations, it.bytes_per_iter, it.detail.as_str()))
            .collect();
        let detail = "dsm: 300 bytes in 3 segments are still there after 3 sessions have ended; allocated at mine+0x1";
        assert_eq!(told, [(300, 3, 60, 5.0, detail)]);
        assert_eq!(judge(&[vec![left(1, 100)], Vec::new(), Vec::new()], 20), []);
        // It was there before, and is lost by those that come later.
        assert_eq!(judge(&[Vec::new(), vec![left(1, 100)], vec![left(1, 100)]], 20).len(), 1);
        assert_eq!(judge(&[], 20), []);
    }
}
