//! Functions of the server through which an extension has the server work on its own account.
//!
//! What is allocated below one of them - a plan, an entry of a cache, an error report - is the server's, though the
//! extension's call is further up the stack. Where one of them ends in a jump to a function that is not exported, that is
//! one of them too: `SearchCatCache1` of catcache.c leaves no frame below `SearchCatCacheMiss`.

use std::ffi::CStr;
use std::ops::Range;
use std::sync::OnceLock;

use super::chosen::{Chosen, StandIn};
use crate::elf::symbols::{code_of, is_exported};
use crate::elf::{Functions, Module, jumps};

const FUNCTIONS: &[&CStr] = &[
    c"planner",
    c"standard_planner",
    c"ExecutorStart",
    c"standard_ExecutorStart",
    c"ExecutorRun",
    c"standard_ExecutorRun",
    c"ExecutorFinish",
    c"standard_ExecutorFinish",
    c"ExecutorEnd",
    c"standard_ExecutorEnd",
    c"ProcessUtility",
    c"standard_ProcessUtility",
    c"SPI_connect",
    c"SPI_connect_ext",
    c"SPI_finish",
    c"SPI_exec",
    c"SPI_execp",
    c"SPI_execute",
    c"SPI_execute_extended",
    c"SPI_execute_plan",
    c"SPI_execute_plan_extended",
    c"SPI_execute_plan_with_paramlist",
    c"SPI_execute_with_args",
    c"SPI_prepare",
    c"SPI_prepare_cursor",
    c"SPI_prepare_extended",
    c"SPI_prepare_params",
    c"SPI_keepplan",
    c"SPI_saveplan",
    c"SPI_cursor_open",
    c"SPI_cursor_open_with_args",
    c"SPI_cursor_open_with_paramlist",
    c"SPI_cursor_parse_open",
    c"SPI_cursor_fetch",
    c"parse_analyze_fixedparams",
    c"pg_analyze_and_rewrite_fixedparams",
    c"SearchSysCache",
    c"SearchSysCache1",
    c"SearchSysCache2",
    c"SearchSysCache3",
    c"SearchSysCache4",
    c"SearchSysCacheList",
    c"SearchCatCache",
    c"SearchCatCache1",
    c"SearchCatCache2",
    c"SearchCatCache3",
    c"SearchCatCache4",
    c"SearchCatCacheList",
    c"relation_open",
    c"RelationIdGetRelation",
    c"lookup_type_cache",
    c"load_file",
    // What it keeps with a function that is called through it, as calls of targets are while they are traced.
    c"fmgr_security_definer",
    c"load_external_function",
    c"errstart",
    c"errmsg",
    c"errdetail",
    c"errhint",
    c"errfinish",
    c"InvokeObjectPostAlterHook",
    c"AcceptInvalidationMessages",
    // Copies are kept up to work_mem, and on disk beyond.
    c"tuplestore_puttupleslot",
    c"tuplestore_puttuple",
    c"tuplestore_putvalues",
    c"tuplesort_puttupleslot",
    c"tuplesort_putheaptuple",
    c"tuplesort_putindextuplevalues",
    c"tuplesort_putdatum",
    c"BeginInternalSubTransaction",
    c"ReleaseCurrentSubTransaction",
    c"RollbackAndReleaseCurrentSubTransaction",
];

/// Where the code of those functions is.
pub(super) struct Barrier {
    /// Sorted.
    ranges: Vec<Range<usize>>,
    /// A bit for each block of the server's code in which there is one: most return addresses are in none.
    blocks: Vec<u64>,
    /// Where the server's code begins.
    start: usize,
}

/// Bytes of code that a bit stands for.
const BLOCK: usize = 1024;

/// The barriers of this server, found once: in the postmaster, since looking thousands of symbols up takes some milliseconds.
static FOUND: OnceLock<Barriers> = OnceLock::new();

/// Where the server works on its own account.
pub(super) struct Barriers {
    /// All the functions.
    pub(super) all: Barrier,
    /// Those of SPI only.
    pub(super) spi: Barrier,
    /// That by which fmgr calls the functions that somebody wants to be told of.
    pub(super) fmgr: Barrier,
    /// What it keeps behind any other function.
    pub(super) chosen: Chosen,
}

impl Barriers {
    /// Looks the functions up among the server's exported symbols. Not every version has all of them.
    pub(super) fn of(server: &Module, stand_in: StandIn) -> &'static Self {
        FOUND.get_or_init(|| {
            let of_spi: Vec<&CStr> =
                FUNCTIONS.iter().copied().filter(|name| name.to_bytes().starts_with(b"SPI_")).collect();
            Barriers {
                all: Barrier::of(FUNCTIONS, server),
                spi: Barrier::of(&of_spi, server),
                fmgr: Barrier::of(&[c"fmgr_security_definer"], server),
                chosen: Chosen::of(server, stand_in),
            }
        })
    }
}

impl Barrier {
    fn of(functions: &[&CStr], server: &Module) -> Self {
        let mut ranges: Vec<Range<usize>> = functions
            .iter()
            .filter_map(|name| code_of(name))
            .filter(|range| server.code.contains(&range.start))
            .collect();
        if let Some(functions) = Functions::of(server) {
            let mut next = 0;
            while let Some(range) = ranges.get(next).cloned() {
                next += 1;
                for start in jumps(&range) {
                    let known = ranges.iter().any(|range| range.contains(&start));
                    if !known && let Some(function) = functions.starting_at(start).filter(|_| !is_exported(start)) {
                        ranges.push(function);
                    }
                }
            }
        }
        ranges.sort_by_key(|range| range.start);
        let start = server.code.start;
        let mut blocks = vec![0; server.code.len() / BLOCK / 64 + 1];
        for range in &ranges {
            for block in (range.start - start) / BLOCK..=(range.end - start) / BLOCK {
                blocks[block / 64] |= 1 << (block % 64);
            }
        }
        Barrier { ranges, blocks, start }
    }

    /// Whether a return address lies in one of the functions.
    #[inline(always)]
    pub(super) fn contains(&self, pc: usize) -> bool {
        let block = pc.wrapping_sub(self.start) / BLOCK;
        self.blocks.get(block / 64).is_some_and(|bits| bits >> (block % 64) & 1 != 0) && self.find(pc)
    }

    #[inline(never)]
    fn find(&self, pc: usize) -> bool {
        let after = self.ranges.partition_point(|range| range.start < pc);
        // A call at a function's very end returns to the address behind it.
        after > 0 && pc <= self.ranges[after - 1].end
    }
}
