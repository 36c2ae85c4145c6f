//! Counts of the trace against the table in `tests/corpus/attribution/alloc_paths--1.0.sql`: each function there makes a known
//! number of allocations along another path from a library to the allocator.

//!
//! The same holds where a link of the allocator's chain enlarges what they ask for; and where one refuses an allocation, what was
//! made before it is counted. The engine with such links is built by `make engine-links`.

use std::collections::BTreeSet;

use crate::charged::{Charged, Traced};
use crate::cluster::shared::Shared;
use crate::cluster::{Session, clusters};
use mcspec::server::Server;

/// What each path is called with.
const N: u64 = 100;

/// Two libraries of one source: without frame pointers and with them.
const LIBRARIES: [&str; 2] = ["alloc_paths", "alloc_paths_fp"];

static WITH_TEST_LINKS: Shared = Shared::with_test_links(&LIBRARIES);

/// Paths on which the trace does not see the allocations, and why.
const NOT_SEEN: [(&str, &str); 1] =
    [("via_background_worker", "they are made in another process than the one whose window is open")];

/// The allocation of each site that is refused.
const REFUSED: u64 = 3;

/// How a refused allocation shows.
#[derive(Debug, Clone, Copy)]
enum Refused {
    /// The call ends with the allocator's ERROR.
    Error,
    /// With that, or with one of `hash_create` (dynahash.c), which on later versions is given null.
    ErrorOfDynahash,
    /// The function is given null, and goes on.
    Null,
    /// Not at all: no site comes so far in this process.
    Never,
}

impl Refused {
    fn shows_in(self, answer: &str) -> bool {
        match self {
            Refused::Error => answer.starts_with("53200 out of memory"),
            Refused::ErrorOfDynahash => {
                Refused::Error.shows_in(answer) || answer.starts_with("XX000 failed to initialize hash table")
            }
            Refused::Null => answer == N.to_string(),
            Refused::Never => answer.parse::<u32>().is_ok(),
        }
    }
}

/// Paths of which other chunks stay than those of the calls before the refused one: which ones, how many times, and why.
const OTHERWISE: [(&str, Refused, u64, &[u64], &str); 7] = [
    ("via_freed", Refused::Error, 0, &[], "those before are freed"),
    ("via_palloc_extended", Refused::Null, N - 1, &[42], "it asks for null instead of an ERROR"),
    ("via_psprintf_long", Refused::Error, 1, &[300], "each call makes two, the first of which is freed"),
    ("via_lappend", Refused::Error, 1, &[64, 128], "each list takes two, at one site"),
    ("via_dynahash", Refused::ErrorOfDynahash, 1, &[114, 848], "each table takes four at the site that creates it"),
    ("via_nested_query", Refused::Error, 0, &[], "the rows that SPI hands over come before the query's own work"),
    ("via_background_worker", Refused::Never, 0, &[], "they are made in another process"),
];

/// What the server does on its own account while it works for the library.
const OF_THE_SERVER: [&str; 8] = [
    "core_syscache(100)",
    "core_syscache_exists(100)",
    "core_syscache_list('array_append')",
    "core_relation_open('pg_trigger')",
    "core_typcache('pg_opclass')",
    "core_spi_execute('SELECT count(*) FROM pg_amproc, pg_amop')",
    "core_spi_plan(i) FROM generate_series(1, 8) i",
    "core_error(100)",
];

/// The table: one row for each path.
const TABLE: &str = include_str!("../../tests/corpus/attribution/alloc_paths--1.0.sql");

/// A row of the table.
#[derive(Debug)]
struct AllocPath {
    function: String,
    /// Requested bytes of the chunks that `via_PATH(1)` leaves.
    chunks: Vec<u64>,
    /// The function that is charged with them.
    site: String,
    /// Whether the server is of 19 or later.
    is_from_19: bool,
}

impl AllocPath {
    /// `-- via_lappend   2 n   64, 128   append_cells; a list of 6 cells`
    fn read(line: &str) -> Option<Self> {
        let row = line.strip_prefix("-- ").filter(|row| row.starts_with("via_"))?;
        let columns: Vec<&str> = row.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let (chunks, site) = match columns[1..] {
            // A sentence.
            [] => return None,
            ["0"] => (Vec::new(), ""),
            [_, bytes, site] => (bytes.split(", ").map(|bytes| bytes.parse().expect("bytes")).collect(), site),
            _ => panic!("{line}"),
        };
        let count = match columns[1].strip_suffix('n') {
            Some("") => 1,
            Some(count) => count.trim().parse().expect("a number of chunks"),
            None => 0,
        };
        assert_eq!(chunks.len(), count, "{line}");
        let site = site.split([' ', ',', ':', ';']).next().unwrap_or_default();
        Some(AllocPath { function: columns[0].to_owned(), chunks, site: site.to_owned(), is_from_19: false })
    }

    /// Bytes, chunks and sites that the trace is to see.
    fn expected(&self) -> Charged {
        self.charged(N, &self.chunks)
    }

    /// What is to stay of a call whose allocation with the number [`REFUSED`] fails at each site, and the answer.
    fn expected_of_refused(&self) -> (Refused, Charged) {
        match OTHERWISE.iter().find(|row| row.0 == self.function) {
            Some((_, refused, times, chunks, _)) => (*refused, self.charged(*times, chunks)),
            None => (Refused::Error, self.charged(REFUSED - 1, &self.chunks)),
        }
    }

    /// These chunks so many times, as far as the trace sees them.
    fn charged(&self, times: u64, chunks: &[u64]) -> Charged {
        if chunks.is_empty() || NOT_SEEN.iter().any(|(function, _)| *function == self.function) {
            return Charged::default();
        }
        // The head of a hash table is shorter from 19 on (`HASHHDR` in dynahash.c).
        let shorter = if self.is_from_19 && self.function == "via_dynahash" { 8 } else { 0 };
        let sites = BTreeSet::from([self.site.clone()]);
        Charged { bytes: times * (chunks.iter().sum::<u64>() - shorter), chunks: times * chunks.len() as u64, sites }
    }
}

/// Ends the worker whose pid `via_background_worker` gives. The server knows it when it has connected.
fn end_worker(traced: &mut Traced, call: &str, pid: &str) {
    if call.starts_with("via_background_worker") {
        while traced.session.ask(&format!("SELECT pg_terminate_backend({pid})")) != "t" {}
    }
}

/// Calls a function in a window. Gives its answer and what is charged to the library.
fn found(traced: &mut Traced, call: &str) -> (String, Charged) {
    let (answer, charged) = traced.call_in_window(call);
    end_worker(traced, call, &answer);
    (answer, charged)
}

/// The rows of the table, as the server of a session is.
fn paths(session: &mut Session) -> Vec<AllocPath> {
    let mut paths: Vec<AllocPath> = TABLE.lines().filter_map(AllocPath::read).collect();
    assert_eq!(paths.len(), 28, "rows of the table");
    let is_from_19 = session.ask("SELECT current_setting('server_version_num')::int >= 190000") == "t";
    paths.iter_mut().for_each(|path| path.is_from_19 = is_from_19);
    paths
}

/// A session in which everything is there that the paths need once.
fn prepared<'a>(server: &Server, library: &'a str) -> Traced<'a> {
    let mut traced = Traced::open(server, library);
    for path in paths(&mut traced.session) {
        let answer = traced.call(&format!("{}(0)", path.function));
        end_worker(&mut traced, &path.function, &answer);
    }
    // A plan that SPI has handed over to keep is the library's.
    traced.call("core_spi_plan(0)");
    traced
}

/// The statement in the window is the one that loads the library: 24 bytes are its callback, which `_PG_init` registers.
fn wrong_when_loaded_inside(server: &Server, library: &str) -> Option<String> {
    let (_, found) = found(&mut Traced::open(server, library), &format!("via_palloc({N})"));
    let sites = BTreeSet::from(["via_palloc".to_owned()]);
    let expected = Charged { bytes: 40 * N + 24, chunks: N + 1, sites };
    (found != expected).then(|| format!("{library} loaded inside the window: expected {expected:?}, found {found:?}"))
}

/// Counts that are not those of the table.
fn wrong_counts(traced: &mut Traced) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in paths(&mut traced.session) {
        let (_, found) = found(traced, &format!("{}({N})", path.function));
        if found != path.expected() {
            wrong.push(format!("{}: expected {:?}, found {found:?}", path.function, path.expected()));
        }
    }
    for call in OF_THE_SERVER {
        let (_, found) = found(traced, call);
        if found != Charged::default() {
            wrong.push(format!("{call}: expected nothing, found {found:?}"));
        }
    }
    wrong
}

/// Calls whose allocations are refused, and that do not end as they should, or after which the counts are not those of the table.
fn wrong_when_refused(traced: &mut Traced) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in paths(&mut traced.session) {
        let call = format!("{}({N})", path.function);
        traced.tries(0, REFUSED);
        let (answer, stayed) = found(traced, &call);
        let (refused, expected) = path.expected_of_refused();
        if !refused.shows_in(&answer) || stayed != expected {
            wrong.push(format!("{call} refused: expected {refused:?} and {expected:?}, found {answer} and {stayed:?}"));
        }
        traced.tries(0, 0);
        let (answer, found) = found(traced, &call);
        if found != path.expected() {
            wrong.push(format!("{call} afterwards: expected {:?}, found {answer} and {found:?}", path.expected()));
        }
    }
    wrong
}

/// Tries both libraries.
#[track_caller]
fn try_both(server: &Server, wrong: impl Fn(&str) -> Vec<String>) {
    for library in LIBRARIES {
        Session::open(server).gives(&format!("CREATE EXTENSION IF NOT EXISTS {library}"), "");
        let wrong = wrong(library);
        assert!(wrong.is_empty(), "{library}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn every_path_to_the_allocator_is_counted() {
    for cluster in clusters(&LIBRARIES) {
        println!("PostgreSQL {}", cluster.installation.version.text);
        let server = cluster.start(&[], &[]);
        try_both(&server, |library| {
            let mut wrong: Vec<String> = wrong_when_loaded_inside(&server, library).into_iter().collect();
            wrong.extend(wrong_counts(&mut prepared(&server, library)));
            wrong
        });
        server.stop();
    }
}

#[test]
fn enlarged_allocations_are_counted_as_they_were_asked_for() {
    WITH_TEST_LINKS.each(|server| {
        try_both(server, |library| {
            let mut traced = prepared(server, library);
            traced.tries(16, 0);
            wrong_counts(&mut traced)
        });
    });
}

#[test]
fn what_was_made_before_a_refused_allocation_is_counted() {
    WITH_TEST_LINKS.each(|server| try_both(server, |library| wrong_when_refused(&mut prepared(server, library))));
}
