//! Hash tables in shared memory that two workers were about to use at once, of which one to write: what they have noted
//! (`pg/company/tables.rs`) made findings of.

use std::cmp::Reverse;

use memcheck_core::census::SiteId;
use memcheck_core::judge::Rules;
use memcheck_core::{CheckKind, Finding, Site, room};

use crate::pg::company::{Held, Member, Use};

/// What the workers have met at: one finding for a table, since whoever comes first is chance.
pub(super) fn findings(members: &[Member], rules: &Rules) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    if rules.without.contains(&CheckKind::DataRace) {
        return findings;
    }
    let mut met: Vec<(Use, Use)> = Vec::new();
    let mut all: Vec<(usize, Use)> = Vec::new();
    for (number, member) in members.iter().enumerate() {
        for used in (0..member.usages()).filter_map(|at| member.usage(at)) {
            room::push(&mut all, (number, used));
        }
        for (own, other, its) in member.meetings() {
            let other = members.get(other).and_then(|member| member.usage(its));
            if let Some(pair) = member.usage(own).zip(other) {
                room::push(&mut met, pair);
            }
        }
    }
    for (one, _) in &met {
        if findings.iter().any(|known| known.path.leaf() == one.table) {
            continue;
        }
        if let Some(race) = Race::of(&one.table, &met, &all) {
            room::push(&mut findings, race.finding());
        }
    }
    findings
}

/// A table that nothing protects.
struct Race<'a> {
    /// The use that is to blame, and one that it was at the same time as, or may be.
    culprit: &'a Use,
    other: &'a Use,
    /// The lock that most of the table's uses are made under.
    usual: Option<&'a Held>,
}

impl<'a> Race<'a> {
    fn of(table: &str, met: &'a [(Use, Use)], all: &'a [(usize, Use)]) -> Option<Self> {
        // Those of the parts in which workers have met, by which the locks of all of them are told.
        let mut parts = met.iter().flat_map(|(one, other)| [one, other]).filter(|used| used.table == table);
        let part = parts.clone().find_map(|used| used.part);
        let is_of_it = |used: &Use| used.table == table && (used.part.is_none() || part.is_none() || used.part == part);
        let of_it = || all.iter().filter(|(_, used)| is_of_it(used));
        let usual = usual(of_it().map(|(_, used)| used));
        let mut pairs: Vec<(&Use, &Use)> = Vec::new();
        for (own, used) in of_it() {
            let its = of_it().filter(|(number, its)| number != own && is_unprotected(used, its));
            // Told with one that writes, as far as there is one.
            if let Some((_, its)) = its.min_by_key(|(_, its)| (!its.writes, place(its), lock_names(its))) {
                room::push(&mut pairs, (used, its));
            }
        }
        let rank = |used: &Use| {
            let hold = usual.and_then(|usual| used.locks.iter().find(|held| held.address == usual.address));
            match (hold, used.writes) {
                (None, true) => 0,
                (None, false) => 1,
                (Some(hold), true) if !hold.is_exclusive => 2,
                _ => 3,
            }
        };
        let chosen =
            pairs.into_iter().min_by_key(|(used, its)| (rank(used), place(used), lock_names(used), place(its)));
        // What was noted may be more than there was room for.
        let first = parts.next().zip(parts.next());
        let (culprit, other) = chosen.or(first)?;
        Some(Race { culprit, other, usual })
    }

    fn finding(&self) -> Finding {
        let site = self.culprit.place.clone().map(|frame| Site { id: SiteId(0), stack: vec![frame.clone()], frame });
        Finding::of_event(CheckKind::DataRace, &self.culprit.table, site, self.sentence())
    }

    fn sentence(&self) -> String {
        let clause = |used: &Use, before: &[Held]| {
            let act = if used.writes { "written to" } else { "read" };
            format!("{act} in {} {}", place(used), locks(used, before))
        };
        let mut sentence = format!(
            "hash table \"{}\" is {}, while another worker may be in it: {}",
            self.culprit.table,
            clause(self.culprit, &[]),
            clause(self.other, &self.culprit.locks)
        );
        let is_held = |used: &Use, usual: &Held| used.locks.iter().any(|held| held.address == usual.address);
        if let Some(usual) = self.usual.filter(|usual| !is_held(self.culprit, usual) && !is_held(self.other, usual)) {
            sentence.push_str(&format!("; elsewhere it is used under LWLock \"{}\"", usual.name));
        }
        sentence
    }
}

/// Whether two uses could be at the same time, one of which damages what the other works with.
fn is_unprotected(one: &Use, other: &Use) -> bool {
    let is_same_part = one.part.is_none() || other.part.is_none() || one.part == other.part;
    let bars =
        |own: &Held| other.locks.iter().any(|its| its.address == own.address && (its.is_exclusive || own.is_exclusive));
    is_same_part && (one.writes || other.writes) && !one.locks.iter().any(bars)
}

/// The lock that uses from most places are made under, if it is more than one.
fn usual<'a>(all: impl Iterator<Item = &'a Use> + Clone) -> Option<&'a Held> {
    let mut counted: Vec<(&Held, Vec<String>)> = Vec::new();
    for used in all {
        for held in &used.locks {
            let place = place(used);
            match counted.iter_mut().find(|(known, _)| known.address == held.address) {
                Some((_, places)) if places.contains(&place) => {}
                Some((_, places)) => _ = room::push(places, place),
                None => _ = room::push(&mut counted, (held, vec![place])),
            }
        }
    }
    let most = counted.iter().min_by_key(|(held, places)| (Reverse(places.len()), &held.name));
    most.map(|(held, _)| *held)
}

fn place(used: &Use) -> String {
    used.place.as_ref().map_or(String::new(), memcheck_core::Frame::place)
}

fn lock_names(used: &Use) -> Vec<&str> {
    used.locks.iter().map(|held| held.name.as_str()).collect()
}

/// Under which locks. One of a name that another one had that was told before is told to be another one.
fn locks(used: &Use, before: &[Held]) -> String {
    if used.locks.is_empty() {
        return "without a lock".to_owned();
    }
    let one = |held: &Held| {
        let is_another = before.iter().any(|known| known.name == held.name && known.address != held.address);
        let name = match (held.name.as_str(), is_another) {
            ("", _) => "an LWLock".to_owned(),
            (name, true) => format!("another LWLock \"{name}\""),
            (name, false) => format!("LWLock \"{name}\""),
        };
        if held.is_exclusive { name } else { format!("{name} (shared)") }
    };
    format!("under {}", used.locks.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(place: &str, writes: bool, locks: &[(usize, bool)]) -> Use {
        let frame = memcheck_core::Frame {
            library: "mine".to_owned(),
            build_id: String::new(),
            offset: 1,
            symbol: Some(place.to_owned()),
            line: None,
        };
        let held =
            |&(address, is_exclusive): &(usize, bool)| Held { address, is_exclusive, name: format!("lock {address}") };
        Use {
            table: "counters".to_owned(),
            part: None,
            writes,
            place: Some(frame),
            locks: locks.iter().map(held).collect(),
        }
    }

    fn race(all: &[(usize, Use)]) -> Option<(String, String)> {
        let met = [(all[0].1.clone(), all[1].1.clone())];
        Race::of("counters", &met, all).map(|race| (place(race.culprit), race.sentence()))
    }

    #[test]
    fn who_is_to_blame_does_not_depend_on_who_came_first() {
        let (reads, enters) = (used("look", false, &[(1, false)]), used("add", true, &[(1, true)]));
        let forgets = used("forget", true, &[]);
        let said = "hash table \"counters\" is written to in forget without a lock, while another worker may be in it: \
                    written to in add under LWLock \"lock 1\"";
        let all = [(0, forgets.clone()), (1, enters.clone()), (0, reads.clone()), (1, reads.clone())];
        assert_eq!(race(&all), Some(("forget".to_owned(), said.to_owned())));
        let turned = [(1, reads.clone()), (0, forgets), (0, reads), (1, enters)];
        assert_eq!(race(&turned), Some(("forget".to_owned(), said.to_owned())));
    }

    #[test]
    fn a_write_under_a_shared_lock_and_one_under_another_are_told() {
        let shared = used("add", true, &[(1, false)]);
        let all = [(0, shared.clone()), (1, shared.clone()), (1, used("look", false, &[(1, false)]))];
        let (place, said) = race(&all).expect("a race");
        assert_eq!(place, "add");
        assert!(said.ends_with("written to in add under LWLock \"lock 1\" (shared)"), "{said}");
        let enters = used("add", true, &[(1, true)]);
        let other = used("remove", true, &[(2, true)]);
        let all = [(0, enters), (1, other), (0, used("look", false, &[(1, false)]))];
        assert_eq!(race(&all).map(|(place, _)| place).as_deref(), Some("remove"));
        let of_part = |address: usize| {
            let used = used("add", true, &[(address, true)]);
            let locks = used.locks.iter().map(|held| Held { name: "parts".to_owned(), ..held.clone() }).collect();
            Use { locks, ..used }
        };
        let (_, said) = race(&[(0, of_part(1)), (1, of_part(2))]).expect("a race");
        assert!(said.ends_with("written to in add under another LWLock \"parts\""), "{said}");
    }

    #[test]
    fn locks_that_keep_apart_are_those_of_which_one_is_exclusive() {
        let table = [(true, true, true), (true, false, true), (false, false, false)];
        for (one, other, are_apart) in table {
            let (one, other) = (used("a", true, &[(1, one)]), used("b", true, &[(1, other)]));
            assert_eq!(!is_unprotected(&one, &other), are_apart);
        }
        assert!(!is_unprotected(&used("a", false, &[]), &used("b", false, &[])));
        let part = |part: u32| Use { part: Some(part), ..used("a", true, &[]) };
        assert!(!is_unprotected(&part(1), &part(2)) && is_unprotected(&part(1), &part(1)));
        assert!(is_unprotected(&part(1), &used("scan", false, &[])));
    }
}
