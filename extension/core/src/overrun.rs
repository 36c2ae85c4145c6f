//! A write past the end of a segment of shared memory.

use crate::access::{Access, Act};
use crate::check::CheckKind;
use crate::finding::Finding;
use crate::path::ContextPath;
use crate::site::Site;

/// Which bytes behind a segment's end were changed, counted from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// How many.
    pub bytes: u64,
}

/// A write past the end of a segment, or over a byte of it that was named for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overrun {
    /// The name of the segment.
    pub segment: String,
    /// The library whose segment it is; empty where that is not known.
    pub library: String,
    /// Its size.
    pub size: u64,
    /// What was changed behind its end; none where it is its last byte that was changed, which was named.
    pub changed: Option<Changed>,
    /// How often that was seen.
    pub times: u64,
    /// Whether it was done before the window was opened.
    pub is_older: bool,
}

impl Overrun {
    /// Behind the documented sentence which bytes it were, where that is known.
    fn sentence(&self, declared: u64) -> String {
        let mut text = format!("Sentinel byte overwritten past '{}' (declared_size={declared})", self.segment);
        if let Some(Changed { first, last, bytes }) = self.changed {
            let span = last - first + 1;
            let what = match bytes {
                1 => "1 byte".to_owned(),
                _ if bytes == span => format!("{bytes} bytes"),
                _ => format!("{bytes} of the {span} bytes"),
            };
            text.push_str(&format!(": {what} at offset {first} behind its end, by any process"));
        }
        if self.is_older {
            text.push_str(", before this window");
        }
        text
    }
}

impl From<Overrun> for Finding {
    fn from(overrun: Overrun) -> Finding {
        // What is named is the byte behind what the segment is used for.
        let (declared, changed) = match overrun.changed {
            Some(changed) => (overrun.size, changed),
            None => (overrun.size.saturating_sub(1), Changed { first: 0, last: 0, bytes: 1 }),
        };
        let access = Access {
            act: Some(Act::Write),
            offset: i64::try_from(declared + changed.first).unwrap_or(i64::MAX),
            size: u32::try_from(changed.last - changed.first + 1).ok(),
            requested: declared,
            ..Access::default()
        };
        let path = ContextPath::new([overrun.segment.as_str()]);
        let found = Finding::of_access(CheckKind::ShmemOverrun, path, access, overrun.times);
        let detail = overrun.sentence(declared);
        Finding { bytes: changed.bytes, source_lib: overrun.library, detail, ..found }
    }
}

/// A lock behind those of a named tranche, which a target has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockBeyond {
    /// The name of the tranche.
    pub tranche: String,
    /// How many locks it has.
    pub locks: u64,
    /// Which one it would be, from 0 on.
    pub number: u64,
    /// Where it was used.
    pub at: Option<Site>,
    /// How often.
    pub times: u64,
}

impl From<LockBeyond> for Finding {
    fn from(beyond: LockBeyond) -> Finding {
        /// `LWLOCK_PADDED_SIZE` (lwlock.h)
        const SIZE: u64 = 128;
        let LockBeyond { tranche, locks, number, at, times } = beyond;
        let access = Access {
            act: Some(Act::Write),
            offset: i64::try_from(number * SIZE).unwrap_or(i64::MAX),
            size: Some(SIZE as u32),
            requested: locks * SIZE,
            at,
            ..Access::default()
        };
        let which = if locks == 1 {
            "1 lock, number 0".to_owned()
        } else {
            format!("{locks} locks, numbers 0 to {}", locks.saturating_sub(1))
        };
        let place = access.at.as_ref().map_or(String::new(), |site| format!(" in {}", site.frame.place()));
        let detail = format!("lock number {number} of tranche '{tranche}' is used{place}, which has {which}");
        let path = ContextPath::new([tranche.as_str()]);
        Finding { bytes: SIZE, detail, ..Finding::of_access(CheckKind::ShmemOverrun, path, access, times) }
    }
}

/// Adds what was done before a window to what was done in it: a segment that was overrun in it is reported once.
pub fn with_older(mut found: Vec<Overrun>, older: Vec<Overrun>) -> Vec<Overrun> {
    for overrun in older {
        let is_it =
            |other: &Overrun| other.segment == overrun.segment && other.changed.is_some() == overrun.changed.is_some();
        if !found.iter().any(is_it) {
            found.push(Overrun { is_older: true, ..overrun });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrun(changed: Option<(u64, u64, u64)>) -> Overrun {
        Overrun {
            segment: "my ring".to_owned(),
            library: "mine".to_owned(),
            size: 512,
            changed: changed.map(|(first, last, bytes)| Changed { first, last, bytes }),
            times: 2,
            is_older: false,
        }
    }

    #[test]
    fn a_finding_says_where_and_how_many() {
        let table = [
            (
                Some((0, 31, 32)),
                "Sentinel byte overwritten past 'my ring' (declared_size=512): 32 bytes at offset 0 behind its end, by any process",
                512,
                32,
            ),
            (
                Some((30, 30, 1)),
                "Sentinel byte overwritten past 'my ring' (declared_size=512): 1 byte at offset 30 behind its end, by any process",
                542,
                1,
            ),
            (
                Some((8, 71, 60)),
                "Sentinel byte overwritten past 'my ring' (declared_size=512): 60 of the 64 bytes at offset 8 behind its end, by any process",
                520,
                64,
            ),
            (None, "Sentinel byte overwritten past 'my ring' (declared_size=511)", 511, 1),
        ];
        for (changed, detail, offset, size) in table {
            let finding = Finding::from(overrun(changed));
            let access = finding.access.as_deref().unwrap();
            assert_eq!((finding.detail.as_str(), access.offset, access.size), (detail, offset, Some(size)));
            assert_eq!((finding.path.leaf(), finding.source_lib.as_str(), finding.objects), ("my ring", "mine", 2));
        }
        let older = Finding::from(Overrun { is_older: true, ..overrun(Some((0, 0, 1))) });
        assert!(older.detail.ends_with("behind its end, by any process, before this window"), "{}", older.detail);
    }

    #[test]
    fn a_lock_behind_a_tranche_is_told_by_its_number() {
        let beyond = |locks| LockBeyond { tranche: "my locks".to_owned(), locks, number: 3, at: None, times: 7 };
        let finding = Finding::from(beyond(3));
        assert_eq!(finding.detail, "lock number 3 of tranche 'my locks' is used, which has 3 locks, numbers 0 to 2");
        assert_eq!(finding.access.as_deref().map(|access| (access.offset, access.requested)), Some((384, 384)));
        assert!(Finding::from(beyond(1)).detail.ends_with("which has 1 lock, number 0"));
    }

    #[test]
    fn what_is_older_is_told_where_nothing_newer_is() {
        let (new, old) = (overrun(Some((0, 0, 1))), overrun(Some((5, 5, 1))));
        assert_eq!(with_older(vec![new.clone()], vec![old.clone()]), std::slice::from_ref(&new));
        let other = Overrun { segment: "other".to_owned(), ..old.clone() };
        let all = with_older(vec![new.clone()], vec![other.clone(), overrun(None)]);
        let is_older = all.iter().map(|overrun| overrun.is_older).collect::<Vec<_>>();
        assert_eq!(is_older, [false, true, true]);
    }
}
