//! Counts of the trace against the table in `tests/corpus/attribution/alloc_paths--1.0.sql`: each function there makes a known
//! number of allocations along another path from a library to the allocator.

mod cluster;

use std::collections::BTreeSet;

use mcspec::server::Server;
use mcspec::symbols::Symbols;
use memcheck_core::census::SiteId;
use memcheck_core::{Frame, Site};

use cluster::{Session, clusters};

/// What each path is called with.
const N: u64 = 100;

/// Two libraries of one source: without frame pointers and with them.
const LIBRARIES: [&str; 2] = ["alloc_paths", "alloc_paths_fp"];

/// Paths on which the trace does not see the allocations, and why.
const NOT_SEEN: [(&str, &str); 1] =
    [("via_background_worker", "they are made in another process than the one whose window is open")];

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
        Some(AllocPath { function: columns[0].to_owned(), chunks, site: site.to_owned() })
    }

    /// Bytes, chunks and sites that the trace is to see.
    fn expected(&self) -> Charged {
        if self.chunks.is_empty() || NOT_SEEN.iter().any(|(function, _)| *function == self.function) {
            return Charged::default();
        }
        let sites = BTreeSet::from([self.site.clone()]);
        Charged { bytes: N * self.chunks.iter().sum::<u64>(), chunks: N * self.chunks.len() as u64, sites }
    }
}

/// What a window charges to a library.
#[derive(Debug, Default, PartialEq, Eq)]
struct Charged {
    bytes: u64,
    chunks: u64,
    sites: BTreeSet<String>,
}

/// What calling `call` leaves behind, as far as it is charged to the library.
fn charged(session: &mut Session, symbols: &mut Symbols, library: &str, call: &str) -> Charged {
    session.ask("SELECT ext_memcheck.begin()");
    let answer = session.ask(&format!("SELECT {library}.{call}"));
    session.ask("SELECT ext_memcheck.end()");
    end_worker(session, call, &answer);
    let rows = session.ask(
        "SELECT check_type, source_lib, bytes, objects, build_id, site_offset FROM ext_memcheck.findings()
          WHERE source_lib <> ''",
    );
    let mut charged = Charged::default();
    for row in rows.lines().filter(|row| row.starts_with("context_leak|")) {
        let [_, source, bytes, chunks, build_id, offset] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        assert_eq!(source, library, "{call}: {row}");
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|error| panic!("{row}: {error}"));
        charged.bytes += number(bytes);
        charged.chunks += number(chunks);
        let frame = Frame {
            library: source.to_owned(),
            build_id: build_id.to_owned(),
            offset: number(offset),
            ..Frame::default()
        };
        let mut site = Site { frame, ..Site::numbered(SiteId(0)) };
        symbols.describe(&mut site);
        charged.sites.insert(site.frame.symbol.unwrap_or_default());
    }
    charged
}

/// Ends the worker whose pid `via_background_worker` gives. The server knows it when it has connected.
fn end_worker(session: &mut Session, call: &str, pid: &str) {
    if call.starts_with("via_background_worker") {
        while session.ask(&format!("SELECT pg_terminate_backend({pid})")) != "t" {}
    }
}

/// A session that traces the library, and where to look for symbols.
fn traced(server: &Server, library: &str) -> (Session, Symbols) {
    let mut session = Session::open(server);
    let directory = |session: &mut Session, name: &str| {
        session.ask(&format!("SELECT setting FROM pg_config WHERE name = '{name}'")).into()
    };
    let symbols = Symbols::new(directory(&mut session, "PKGLIBDIR"), directory(&mut session, "BINDIR"));
    for setting in ["trace = 'on'", &format!("targets = '{library}'"), "min_leak_bytes = 0"] {
        session.gives(&format!("SET pg_ext_memcheck.{setting}"), "");
    }
    (session, symbols)
}

/// The statement in the window is the one that loads the library: 24 bytes are its callback, which `_PG_init` registers.
fn wrong_when_loaded_inside(server: &Server, library: &str) -> Option<String> {
    let (mut session, mut symbols) = traced(server, library);
    let found = charged(&mut session, &mut symbols, library, &format!("via_palloc({N})"));
    let sites = BTreeSet::from(["via_palloc".to_owned()]);
    let expected = Charged { bytes: 40 * N + 24, chunks: N + 1, sites };
    (found != expected).then(|| format!("{library} loaded inside the window: expected {expected:?}, found {found:?}"))
}

fn wrong_counts(server: &Server, library: &str) -> Vec<String> {
    Session::open(server).gives(&format!("CREATE EXTENSION {library}"), "");
    let (mut session, mut symbols) = traced(server, library);
    let paths: Vec<AllocPath> = TABLE.lines().filter_map(AllocPath::read).collect();
    assert_eq!(paths.len(), 28, "rows of the table");

    let mut wrong: Vec<String> = wrong_when_loaded_inside(server, library).into_iter().collect();
    for path in &paths {
        // What the session needs once.
        let answer = session.ask(&format!("SELECT {library}.{}(0)", path.function));
        end_worker(&mut session, &path.function, &answer);
        let found = charged(&mut session, &mut symbols, library, &format!("{}({N})", path.function));
        if found != path.expected() {
            wrong.push(format!("{library}.{}: expected {:?}, found {found:?}", path.function, path.expected()));
        }
    }
    // A plan that SPI has handed over to keep is the library's.
    session.ask(&format!("SELECT {library}.core_spi_plan(0)"));
    for call in OF_THE_SERVER {
        let found = charged(&mut session, &mut symbols, library, call);
        if found != Charged::default() {
            wrong.push(format!("{library}.{call}: expected nothing, found {found:?}"));
        }
    }
    wrong
}

#[test]
fn every_path_to_the_allocator_is_counted() {
    for cluster in clusters(&LIBRARIES) {
        let server = cluster.start(&[], &[]);
        let wrong: Vec<String> = LIBRARIES.iter().flat_map(|library| wrong_counts(&server, library)).collect();
        assert!(wrong.is_empty(), "PostgreSQL {}:\n{}", cluster.installation.version.text, wrong.join("\n"));
        server.stop();
    }
}
