//! A write past the end of a segment of shared memory, or before its start.

use crate::access::{Access, Act};
use crate::check::CheckKind;
use crate::detail;
use crate::finding::Finding;
use crate::path::ContextPath;
use crate::site::Site;

/// Which bytes around a segment were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// How many.
    pub bytes: u64,
}

/// Which bytes of a segment a write has hit that are not its user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Those behind its end, counted from there.
    Behind(Changed),
    /// Those before its start: so many that were looked at, from the first of which on they are counted.
    Before(u64, Changed),
    /// Its last byte, which was named for that.
    Named,
}

/// Who has done it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// Whoever: it was only found that it was done.
    Unknown,
    /// The instruction, which has come upon memory that was closed to it.
    Caught(Site),
    /// It was not so when this function was called, and was so when it returned.
    Called(Site),
}

impl Writer {
    fn site(self) -> Option<Site> {
        match self {
            Writer::Unknown => None,
            Writer::Caught(site) | Writer::Called(site) => Some(site),
        }
    }
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
    /// What was changed.
    pub place: Place,
    /// By whom.
    pub writer: Writer,
    /// How often that was seen.
    pub times: u64,
    /// Whether it was done before the window was opened.
    pub is_older: bool,
}

impl Overrun {
    /// Behind the documented sentence which bytes it were, and by whom, as far as that is known.
    fn sentence(&self, declared: u64) -> String {
        let side = if matches!(self.place, Place::Before(..)) { "before" } else { "past" };
        let mut text = format!("Sentinel byte overwritten {side} '{}' (declared_size={declared})", self.segment);
        match self.place {
            Place::Behind(changed) => {
                text.push_str(&format!(": {} at offset {} behind its end", counted(changed), changed.first));
            }
            Place::Before(bytes, changed) => {
                text.push_str(&format!(": {} at offset {} before its start", counted(changed), bytes - changed.first));
            }
            Place::Named => {}
        }
        if self.place != Place::Named && self.writer == Writer::Unknown {
            text.push_str(", by any process");
        }
        if self.is_older {
            text.push_str(detail::EARLIER);
        }
        match &self.writer {
            Writer::Unknown => {}
            Writer::Caught(site) => text.push_str(&detail::caught(site)),
            Writer::Called(site) => text.push_str(&detail::called(site)),
        }
        text
    }

    /// Whether both are about the same bytes of one segment.
    fn is_where(&self, other: &Overrun) -> bool {
        self.segment == other.segment && std::mem::discriminant(&self.place) == std::mem::discriminant(&other.place)
    }
}

fn counted(Changed { first, last, bytes }: Changed) -> String {
    let span = last - first + 1;
    match bytes {
        1 => "1 byte".to_owned(),
        _ if bytes == span => format!("{bytes} bytes"),
        _ => format!("{bytes} of the {span} bytes"),
    }
}

impl From<Overrun> for Finding {
    fn from(overrun: Overrun) -> Finding {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // What is named is the byte behind what the segment is used for.
        let (declared, offset, changed) = match overrun.place {
            Place::Behind(changed) => (overrun.size, signed(overrun.size + changed.first), changed),
            Place::Before(bytes, changed) => (overrun.size, signed(changed.first) - signed(bytes), changed),
            Place::Named => {
                let used = overrun.size.saturating_sub(1);
                (used, signed(used), Changed { first: 0, last: 0, bytes: 1 })
            }
        };
        let detail = overrun.sentence(declared);
        let access = Access {
            act: Some(Act::Write),
            offset,
            size: u32::try_from(changed.last - changed.first + 1).ok(),
            requested: declared,
            at: overrun.writer.site(),
            ..Access::default()
        };
        let path = ContextPath::new([overrun.segment.as_str()]);
        let found = Finding::of_access(CheckKind::ShmemOverrun, path, access, overrun.times);
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
        if !found.iter().any(|other| other.is_where(&overrun)) {
            found.push(Overrun { is_older: true, ..overrun });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::SiteId;
    use crate::site::{Frame, Line};

    fn overrun(place: Place) -> Overrun {
        Overrun {
            segment: "my ring".to_owned(),
            library: "mine".to_owned(),
            size: 512,
            place,
            writer: Writer::Unknown,
            times: 2,
            is_older: false,
        }
    }

    fn changed(first: u64, last: u64, bytes: u64) -> Changed {
        Changed { first, last, bytes }
    }

    fn behind(first: u64, last: u64, bytes: u64) -> Place {
        Place::Behind(changed(first, last, bytes))
    }

    #[test]
    fn a_finding_says_where_and_how_many() {
        let table = [
            (
                behind(0, 31, 32),
                "Sentinel byte overwritten past 'my ring' (declared_size=512): 32 bytes at offset 0 behind its end, by any process",
                512,
                32,
            ),
            (
                behind(30, 30, 1),
                "Sentinel byte overwritten past 'my ring' (declared_size=512): 1 byte at offset 30 behind its end, by any process",
                542,
                1,
            ),
            (
                behind(8, 71, 60),
                "Sentinel byte overwritten past 'my ring' (declared_size=512): 60 of the 64 bytes at offset 8 behind its end, by any process",
                520,
                64,
            ),
            (
                Place::Before(256, changed(248, 255, 8)),
                "Sentinel byte overwritten before 'my ring' (declared_size=512): 8 bytes at offset 8 before its start, by any process",
                -8,
                8,
            ),
            (Place::Named, "Sentinel byte overwritten past 'my ring' (declared_size=511)", 511, 1),
        ];
        for (place, detail, offset, size) in table {
            let finding = Finding::from(overrun(place));
            let access = finding.access.as_deref().unwrap();
            assert_eq!((finding.detail.as_str(), access.offset, access.size), (detail, offset, Some(size)));
            assert_eq!((finding.path.leaf(), finding.source_lib.as_str(), finding.objects), ("my ring", "mine", 2));
            assert!(finding.site.is_none());
        }
        let older = Finding::from(Overrun { is_older: true, ..overrun(behind(0, 0, 1)) });
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
    fn a_writer_that_is_known_is_named() {
        let frame = Frame { library: "other".to_owned(), offset: 0x10, ..Frame::default() };
        let site = Site { id: SiteId(0), stack: vec![frame.clone()], frame };
        let start = "Sentinel byte overwritten past 'my ring' (declared_size=512): 1 byte at offset 0 behind its end";
        for (writer, end) in
            [(Writer::Caught(site.clone()), "; by "), (Writer::Called(site.clone()), "; during a call of ")]
        {
            let mut finding = Finding::from(Overrun { writer, ..overrun(behind(0, 0, 1)) });
            assert_eq!(finding.detail, format!("{start}{end}other+0x10"));
            // It is the segment's library that is charged.
            assert_eq!((finding.source_lib.as_str(), finding.site.as_ref()), ("mine", Some(&site)));
            let line = Line { file: "/src/other.c".to_owned(), number: 7 };
            for site in finding.sites_mut() {
                site.frame.symbol = Some("fill".to_owned());
                site.frame.line = Some(line.clone());
            }
            finding.describe_access();
            assert_eq!(finding.detail, format!("{start}{end}fill (other.c:7)"));
        }
        let mut earlier = Finding::from(Overrun { writer: Writer::Caught(site), ..overrun(behind(0, 0, 1)) });
        earlier.was_earlier();
        earlier.was_earlier();
        assert_eq!(earlier.detail, format!("{start}, before this window; by other+0x10"));
        let mut unknown = Finding::from(overrun(behind(0, 0, 1)));
        unknown.describe_access();
        assert_eq!(unknown.detail, format!("{start}, by any process"));
    }

    #[test]
    fn what_is_older_is_told_where_nothing_newer_is() {
        let (new, old) = (overrun(behind(0, 0, 1)), overrun(behind(5, 5, 1)));
        assert_eq!(with_older(vec![new.clone()], vec![old.clone()]), std::slice::from_ref(&new));
        let other = Overrun { segment: "other".to_owned(), ..old.clone() };
        let before = overrun(Place::Before(128, changed(0, 0, 1)));
        let all = with_older(vec![new.clone()], vec![other.clone(), before, overrun(Place::Named)]);
        let is_older = all.iter().map(|overrun| overrun.is_older).collect::<Vec<_>>();
        assert_eq!(is_older, [false, true, true, true]);
    }
}
