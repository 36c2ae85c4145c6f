//! What a statement leaves behind over its repetitions.
//!
//! Each repetition is an iteration, and what it has made the targets hold more is added up: the marks are the same as those of a
//! window, of what a single statement has done, whatever has run in between. What it has made them hold less belongs to it too. So
//! a statement that gives back what another one has taken clears that one.
//!
//! The first repetition may fill what is filled once. It is where the marks begin.

use std::collections::BTreeMap;

use crate::census::{Census, Live, Moment, PathId, SiteId, Totals};
use crate::judge::growth::is_marked;
use crate::judge::mark::Mark;
use crate::room;

/// Fewer repetitions than these behind the first do not tell what goes on from what is filled.
pub const FEWEST: u64 = 10;

/// More marks than this are thinned out: every second one goes.
const MOST_MARKS: usize = 128;

/// What an entry of a map takes, about (bytes).
const ENTRY: usize = 256;

/// What has been added and taken away, by path and site.
#[derive(Debug, Default)]
pub struct Gains {
    held: BTreeMap<(PathId, SiteId), Live>,
    /// What was given back that something else has allocated.
    freed: BTreeMap<SiteId, Live>,
    is_lossy: bool,
}

/// Takes as much as there is of `from` off both.
fn set_off(one: &mut Live, other: &mut Live) {
    let bytes = one.bytes.min(other.bytes);
    let allocations = one.allocations.min(other.allocations);
    (one.bytes, other.bytes) = (one.bytes - bytes, other.bytes - bytes);
    (one.allocations, other.allocations) = (one.allocations - allocations, other.allocations - allocations);
}

impl Gains {
    /// Adds what is held more, and by which sites less.
    pub fn add(&mut self, grown: &Census, shrunk: &[(SiteId, Live)]) {
        self.is_lossy |= !grown.is_whole();
        for (path, site, mut live) in grown.traced() {
            if let Some(freed) = self.freed.get_mut(&site) {
                set_off(freed, &mut live);
            }
            if live != Live::default() && self.has_room() {
                self.held.entry((path, site)).or_default().add(live);
            }
        }
        for &(site, mut live) in shrunk {
            for (_, held) in self.held.iter_mut().filter(|((_, other), _)| *other == site) {
                set_off(held, &mut live);
            }
            if live != Live::default() && self.has_room() {
                self.freed.entry(site).or_default().add(live);
            }
        }
        self.held.retain(|_, held| *held != Live::default());
        self.freed.retain(|_, freed| *freed != Live::default());
    }

    fn has_room(&mut self) -> bool {
        let has_room = room::is_there_for(ENTRY);
        self.is_lossy |= !has_room;
        has_room
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.freed.is_empty() && !self.is_lossy
    }

    /// What a site has added in contexts with this path.
    pub fn live(&self, path: PathId, site: SiteId) -> Live {
        self.held.get(&(path, site)).copied().unwrap_or_default()
    }

    /// Those that `counts` selects. What a site has made without bytes are contexts.
    fn census(&self, counts: impl Fn(PathId, SiteId) -> bool) -> Census {
        let mut census = Census::default();
        if self.is_lossy {
            census.loses();
        }
        for (&(path, site), &live) in self.held.iter().filter(|((path, site), _)| counts(*path, *site)) {
            census.count_traced(path, site, live);
            let objects = if live.bytes == 0 { live.allocations } else { 0 };
            census.add(path, Totals { used: live.bytes, allocated: 0, objects });
        }
        census
    }
}

/// What bears out that something is still there: what is held at the end, and what others have given back.
#[derive(Debug, Default)]
pub struct Backing {
    held: Census,
    freed: BTreeMap<SiteId, Live>,
}

impl Backing {
    /// What the targets hold at the end, after all of these.
    pub fn new<'g>(held: Census, all: impl IntoIterator<Item = &'g Gains>) -> Self {
        let mut freed: BTreeMap<SiteId, Live> = BTreeMap::new();
        for (&site, &live) in all.into_iter().flat_map(|gains| &gains.freed) {
            freed.entry(site).or_default().add(live);
        }
        Backing { held, freed }
    }

    /// Whether most of what a site has added there may be what is held.
    fn bears_out(&self, gains: &Gains, path: PathId, site: SiteId) -> bool {
        let freed = |of: &BTreeMap<SiteId, Live>| of.get(&site).copied().unwrap_or_default();
        let (claim, held) = (gains.live(path, site), self.held.live(path, site));
        let (all, own) = (freed(&self.freed), freed(&gains.freed));
        let is_most = |claim: u64, held: u64, freed: u64| held >= claim.div_ceil(2) && freed <= claim / 2;
        if claim.bytes > 0 {
            is_most(claim.bytes, held.bytes, all.bytes - own.bytes)
        } else {
            is_most(claim.allocations, held.allocations, all.allocations - own.allocations)
        }
    }
}

/// The repetitions of a statement.
#[derive(Debug)]
pub struct Series {
    gains: Gains,
    times: u64,
    stride: u64,
    /// From the first repetition on, or from the last one before there was something.
    marks: Vec<Mark>,
    events: Vec<u64>,
    calls: u64,
}

impl Default for Series {
    fn default() -> Self {
        Series { gains: Gains::default(), times: 0, stride: 1, marks: Vec::new(), events: Vec::new(), calls: 0 }
    }
}

impl Series {
    /// What it has added so far.
    pub fn gains(&self) -> &Gains {
        &self.gains
    }

    /// How often it has been repeated.
    pub fn times(&self) -> u64 {
        self.times
    }

    /// Adds what was done in the repetition that is under way: what is held more and less, how often each event has happened since,
    /// and how many calls of the targets' functions there have been since.
    pub fn add(&mut self, grown: &Census, shrunk: &[(SiteId, Live)], events: &[u64], calls: u64) {
        self.gains.add(grown, shrunk);
        if self.events.len() < events.len() && room::make(&mut self.events, events.len()) {
            self.events.resize(events.len(), 0);
        }
        self.events.iter_mut().zip(events).for_each(|(sum, more)| *sum += more);
        self.calls += calls;
    }

    /// The repetition is over.
    pub fn repeated(&mut self) {
        self.times += 1;
        let is_new = self.marks.is_empty();
        if is_new && self.gains.is_empty() && self.events.iter().all(|&times| times == 0) {
            return;
        }
        if is_new && self.times > 1 {
            room::push(&mut self.marks, Mark { iteration: self.times - 1, ..Mark::default() });
        }
        if is_new || is_marked(self.times, self.stride) {
            let mark = self.mark(|_, _| true);
            room::push(&mut self.marks, mark);
        }
        if self.marks.len() > MOST_MARKS {
            let mut even = false;
            self.marks.retain(|_| {
                even = !even;
                even
            });
            self.stride *= 2;
        }
    }

    /// As it is now.
    fn mark(&self, counts: impl Fn(PathId, SiteId) -> bool) -> Mark {
        Mark {
            iteration: self.times,
            census: self.gains.census(counts),
            leftovers: Census::default(),
            events: self.events.clone(),
            calls: self.calls,
        }
    }

    /// Whether it was repeated often enough to tell growth that goes on.
    pub fn is_telling(&self) -> bool {
        self.times > FEWEST
    }

    /// The marks by which growth is told, of what is borne out; none where there were too few repetitions. With contexts that live
    /// no longer than a transaction where `all`: those of a statement that never ends.
    pub fn marks(&self, backing: &Backing, all: bool) -> Vec<Mark> {
        let moment = Moment { message: all.then_some(0), transaction: all.then_some(0), portals: all };
        let borne_out = |path, site| all || backing.bears_out(&self.gains, path, site);
        if !self.is_telling() {
            return Vec::new();
        }
        let of = |mark: &Mark| {
            let mut census = Census::new(moment);
            if !mark.census.is_whole() {
                census.loses();
            }
            for (path, site, live) in mark.census.traced().filter(|&(path, site, _)| borne_out(path, site)) {
                census.count_traced(path, site, live);
                let objects = if live.bytes == 0 { live.allocations } else { 0 };
                census.add(path, Totals { used: live.bytes, allocated: 0, objects });
            }
            Mark { iteration: mark.iteration, census, calls: mark.calls, ..Mark::default() }
        };
        self.all_marks().iter().map(of).filter(Mark::is_whole).collect()
    }

    /// The marks by which events are told, from before the first repetition on.
    pub fn marks_of_events(&self) -> Vec<Mark> {
        let only = |mark: &Mark| Mark { iteration: mark.iteration, events: mark.events.clone(), ..Mark::default() };
        std::iter::once(Mark::default()).chain(self.all_marks().iter().map(only)).collect()
    }

    /// With one at the end, where the last is earlier.
    fn all_marks(&self) -> Vec<Mark> {
        let copy = |mark: &Mark| Mark {
            iteration: mark.iteration,
            census: mark.census.copy(),
            leftovers: Census::default(),
            events: mark.events.clone(),
            calls: mark.calls,
        };
        let mut marks: Vec<Mark> = self.marks.iter().map(copy).collect();
        if marks.last().is_some_and(|last| last.iteration < self.times) {
            marks.push(self.mark(|_, _| true));
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScenarioKind;
    use crate::census::PathTable;
    use crate::judge::workers::tests::ByNumber;
    use crate::judge::{Evidence, Rules};

    const SITE: SiteId = SiteId(7);

    /// One repetition: bytes more or less, an allocation each.
    fn repeat(series: &mut Series, path: PathId, bytes: i64) {
        let mut grown = Census::default();
        let live = Live { bytes: bytes.unsigned_abs(), allocations: u64::from(bytes != 0) };
        let mut shrunk = Vec::new();
        if bytes > 0 {
            grown.count_traced(path, SITE, live);
        } else if bytes < 0 {
            shrunk.push((SITE, live));
        }
        series.add(&grown, &shrunk, &[], 1);
        series.repeated();
    }

    /// What is found of the first of these statements, which are executed in turn: bytes by repetition, from 1.
    fn found(times: u64, statements: &[&dyn Fn(u64) -> i64]) -> Vec<String> {
        let mut paths = PathTable::default();
        let path = paths.child(PathId::ROOT, "mine");
        let mut series: Vec<Series> = statements.iter().map(|_| Series::default()).collect();
        let mut net = 0i64;
        for n in 1..=times {
            for (series, bytes) in series.iter_mut().zip(statements) {
                repeat(series, path, bytes(n));
                net += bytes(n);
            }
        }
        let mut held = Census::default();
        held.count_traced(path, SITE, Live { bytes: u64::try_from(net).unwrap(), allocations: times });
        let backing = Backing::new(held, series.iter().map(Series::gains));
        let marks = series[0].marks(&backing, false);
        let rules = Rules::default();
        let evidence = Evidence { paths: &paths, marks: &marks, ladder: &[], rules: &rules, places: Some(&ByNumber) };
        let findings = ScenarioKind::GrowthBenchmark.judge(&evidence);
        findings.iter().map(|f| format!("{} {} {}/iter", f.check, f.path, f.bytes_per_iter)).collect()
    }

    #[test]
    fn repetitions_are_like_iterations() {
        const LEAK: &str = "ctx_bloat mine 100/iter";
        let nothing: &[&str] = &[];
        type Statements<'a> = &'a [&'a dyn Fn(u64) -> i64];
        let table: &[(&str, u64, Statements, &[&str])] = &[
            ("a leak", 100, &[&|_| 100], &[LEAK]),
            ("a leak of few repetitions", 11, &[&|_| 100], &[LEAK]),
            ("too few of them", 10, &[&|_| 100], nothing),
            ("a long row", 100_000, &[&|_| 100], &[LEAK]),
            ("a cache that the first fills", 100, &[&|n| if n == 1 { 9000 } else { 0 }], nothing),
            ("one behind a cache", 100, &[&|n| if n == 1 { 9000 } else { 100 }], &[LEAK]),
            ("a cache that is filled later", 100, &[&|n| if n == 50 { 9000 } else { 0 }], nothing),
            ("one that fills up", 1000, &[&|n| if n <= 64 { 100 } else { 0 }], nothing),
            ("one of which another gives back all", 100, &[&|_| 100, &|_| -100], nothing),
            (
                "one of which another gives back some",
                100,
                &[&|_| 100, &|n| if n % 10 == 0 { -100 } else { 0 }],
                &[LEAK],
            ),
            ("what is taken and given back", 100, &[&|n| if n % 2 == 0 { -100 } else { 100 }], nothing),
            ("another one leaks", 100, &[&|_| 0, &|_| 100], nothing),
            ("nothing", 100, &[&|_| 0], nothing),
        ];
        for (name, times, statements, expected) in table {
            assert_eq!(found(*times, statements), *expected, "{name}");
        }
    }

    #[test]
    fn events_are_counted_from_before_the_first() {
        let mut series = Series::default();
        series.add(&Census::default(), &[], &[0, 2], 0);
        series.repeated();
        series.add(&Census::default(), &[], &[0, 0, 1], 0);
        series.repeated();
        let events: Vec<(u64, Vec<u64>)> =
            series.marks_of_events().into_iter().map(|mark| (mark.iteration, mark.events)).collect();
        assert_eq!(events, [(0, vec![]), (1, vec![0, 2]), (2, vec![0, 2, 1])]);
    }

    #[test]
    fn marks_are_bounded_and_begin_where_there_is_something() {
        let mut paths = PathTable::default();
        let path = paths.child(PathId::ROOT, "mine");
        let mut series = Series::default();
        (0..5000).for_each(|_| repeat(&mut series, path, 0));
        assert!(series.marks.is_empty());
        (0..5000).for_each(|_| repeat(&mut series, path, 8));
        assert!(series.marks.len() <= MOST_MARKS, "{}", series.marks.len());
        assert_eq!(
            (series.marks[0].iteration, series.all_marks().last().map(|mark| mark.iteration)),
            (5000, Some(10_000))
        );
    }
}
