//! What windows charge to a library whose functions are called in them.

use std::collections::BTreeSet;

use mcspec::server::Server;
use mcspec::symbols::Symbols;
use memcheck_core::census::SiteId;
use memcheck_core::{Frame, Site};

use crate::cluster::Session;

/// What a window charges to a library.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Charged {
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    /// The functions that have allocated them.
    pub(crate) sites: BTreeSet<String>,
}

/// A session that traces a library, and where to look for symbols.
pub(crate) struct Traced<'a> {
    pub(crate) session: Session,
    symbols: Symbols,
    library: &'a str,
}

impl<'a> Traced<'a> {
    pub(crate) fn open(server: &Server, library: &'a str) -> Self {
        let mut session = Session::open(server);
        let directory = |session: &mut Session, name: &str| {
            session.ask(&format!("SELECT setting FROM pg_config WHERE name = '{name}'")).into()
        };
        let symbols = Symbols::new(directory(&mut session, "PKGLIBDIR"), directory(&mut session, "BINDIR"));
        for setting in ["trace = 'on'", &format!("targets = '{library}'"), "min_leak_bytes = 0"] {
            session.gives(&format!("SET pg_ext_memcheck.{setting}"), "");
        }
        Traced { session, symbols, library }
    }

    /// Has each allocation of the library enlarged by so many bytes, and the allocation of each site with this number refused, in
    /// windows from now on; 0 is no number.
    pub(crate) fn tries(&mut self, enlarge: u64, refuse: u64) {
        self.session.gives(&format!("SET pg_ext_memcheck.trial_enlarge = {enlarge}"), "");
        self.session.gives(&format!("SET pg_ext_memcheck.trial_refuse = {refuse}"), "");
    }

    /// Calls a function of the library outside of windows.
    pub(crate) fn call(&mut self, call: &str) -> String {
        self.session.ask(&format!("SELECT {}.{call}", self.library))
    }

    /// Calls it in a window. Gives its answer, and what it leaves behind, as far as it is charged to the library. The engine's
    /// tables are sound.
    pub(crate) fn call_in_window(&mut self, call: &str) -> (String, Charged) {
        self.session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
        let answer = self.call(call);
        self.session.ask("SELECT ext_memcheck.end()");
        let faults = "SELECT name, value FROM ext_memcheck.window_stats()
                       WHERE name IN ('inconsistencies', 'not_recorded') AND value <> 0";
        assert_eq!(self.session.ask(faults), "", "{call}");
        let rows = self.session.ask(
            "SELECT check_type, source_lib, bytes, objects, build_id, site_offset FROM ext_memcheck.findings()
              WHERE source_lib <> ''",
        );
        let mut charged = Charged::default();
        for row in rows.lines().filter(|row| row.starts_with("context_leak|") || row.starts_with("malloc_leak|")) {
            self.add(&mut charged, row, call);
        }
        (answer, charged)
    }

    fn add(&mut self, charged: &mut Charged, row: &str, call: &str) {
        let [_, source, bytes, chunks, build_id, offset] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        assert_eq!(source, self.library, "{call}: {row}");
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
        self.symbols.describe(&mut site);
        charged.sites.insert(site.frame.symbol.unwrap_or_default());
    }
}
