//! The links of the allocator's chain that only tests ask for, at each function of the allocator: what they enlarge takes more
//! space, what they refuse fails in the way of its function, and the trace counts what was asked for.
//!
//! The functions are called by those of `tests/corpus/space`. `make engine-links` builds the engine with the links.

use std::collections::BTreeSet;

use crate::charged::{Charged, Traced};
use crate::cluster::shared::Shared;
use crate::cluster::{Cluster, Session};
use mcspec::server::Server;

const LIBRARY: &str = "alloc_space";

static SERVERS: Shared = Shared::with_test_links(&[LIBRARY]);

/// What each function is called with.
const N: u64 = 100;

/// By how much allocations are enlarged (bytes).
const ENLARGED: u64 = 16;

/// The allocation of each site that is refused.
const REFUSED: u64 = 3;

/// What a request that is refused comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// An ERROR ends the call.
    Error,
    /// It is null, and the others are made.
    Null,
    /// It is served all the same.
    Served,
}

/// A call of one of the subject's functions.
struct Call {
    function: &'static str,
    /// The function in which it allocates.
    site: &'static str,
    /// Bytes of which a chunk has none to spare.
    bytes: u64,
    /// Chunks that stay, and their bytes together.
    left: (u64, u64),
    refused: Refused,
    /// What stays where one was refused.
    left_of_refused: (u64, u64),
    is_enlarged: bool,
}

/// A call that makes and leaves many chunks.
const fn many(function: &'static str, bytes: u64, refused: Refused) -> Call {
    let made = match refused {
        Refused::Error => REFUSED - 1,
        Refused::Null => N - 1,
        Refused::Served => N,
    };
    let (left, left_of_refused) = ((N, N * bytes), (made, made * bytes));
    Call { function, site: function, bytes, left, refused, left_of_refused, is_enlarged: true }
}

/// A call that has one chunk grow, in equal steps. It leaves `stays` bytes where a step was refused.
const fn one(function: &'static str, bytes: u64, refused: Refused, stays: u64) -> Call {
    Call { left: (1, bytes), left_of_refused: (1, stays), ..many(function, bytes, refused) }
}

const CALLS: [Call; 16] = [
    many("of_palloc", 64, Refused::Error),
    many("of_palloc0", 64, Refused::Error),
    // A block of its own
    many("of_palloc", 20_000, Refused::Error),
    many("of_no_oom", 64, Refused::Null),
    many("of_huge", 64, Refused::Error),
    many("of_generation", 64, Refused::Error),
    // All chunks of a context have the same size.
    Call { is_enlarged: false, ..many("of_slab", 64, Refused::Error) },
    // The steps go from chunks that share a block to one with a block of its own.
    one("of_repalloc", 200 * (N + 1), Refused::Error, 200 * REFUSED),
    many("of_malloc", 72, Refused::Null),
    many("of_calloc", 72, Refused::Null),
    Call { site: "aligned_chunk", ..many("of_posix_memalign", 72, Refused::Null) },
    many("of_aligned_alloc", 72, Refused::Null),
    many("of_memalign", 72, Refused::Null),
    one("of_realloc", 200 * (N + 1), Refused::Null, 200 * (N + 1)),
    // There is always room in ErrorContext, and an ERROR in a critical section would be a PANIC.
    many("of_error_context", 64, Refused::Served),
    Call { site: "allocate_in_critical_section", ..many("of_critical_section", 64, Refused::Served) },
];

/// Contexts of this kind are there from 17 on.
const OF_BUMP: Call = many("of_bump", 64, Refused::Error);

impl Call {
    fn sql(&self) -> String {
        format!("{}({}, {N})", self.function, self.bytes)
    }

    /// Some chunks of the function, and their bytes together.
    fn charged(&self, (chunks, bytes): (u64, u64)) -> Charged {
        Charged { bytes, chunks, sites: BTreeSet::from([self.site.to_owned()]) }
    }
}

/// A session that traces the subject.
fn traced(server: &Server) -> Traced<'static> {
    Session::open(server).gives(&format!("CREATE EXTENSION IF NOT EXISTS {LIBRARY}"), "");
    Traced::open(server, LIBRARY)
}

/// Runs a test on each server, with the calls that it has functions for.
fn each(test: impl Fn(&mut Traced, &Call)) {
    SERVERS.each_with_cluster(|cluster, server| {
        let mut traced = traced(server);
        for call in CALLS.iter().chain(has_bump(cluster).then_some(&OF_BUMP)) {
            // The context is made by the first call.
            traced.call(&format!("{}({}, 1)", call.function, call.bytes));
            test(&mut traced, call);
        }
    });
}

fn has_bump(cluster: &Cluster) -> bool {
    cluster.installation.version.major() >= 17
}

/// Makes chunks in a window: how many, the space that one takes at least (bytes), and what is charged.
fn makes(traced: &mut Traced, call: &Call) -> (u64, u64, Charged) {
    let (answer, charged) = traced.call_in_window(&call.sql());
    let numbers = answer.strip_prefix('{').and_then(|answer| answer.strip_suffix('}')).map(|answer| {
        let mut numbers = answer.split(',').map(|number| number.parse().expect("a number"));
        [numbers.next().expect("chunks"), numbers.next().expect("space")]
    });
    let [made, space] = numbers.unwrap_or_else(|| panic!("{}: {answer}", call.sql()));
    (made, space, charged)
}

#[test]
fn enlarged_chunks_take_more_space_and_count_for_what_was_asked_for() {
    each(|traced, call| {
        traced.tries(0, 0);
        let (made, space, charged) = makes(traced, call);
        assert_eq!((made, charged), (N, call.charged(call.left)), "{}", call.sql());

        traced.tries(ENLARGED, 0);
        let (made, larger, charged) = makes(traced, call);
        assert_eq!((made, charged), (N, call.charged(call.left)), "{} enlarged", call.sql());
        if call.is_enlarged {
            assert!(larger >= space + ENLARGED, "{}: {larger} instead of {space}", call.sql());
        } else {
            assert_eq!(larger, space, "{}", call.sql());
        }
    });
}

#[test]
fn refused_requests_fail_in_the_way_of_their_functions() {
    each(|traced, call| {
        traced.tries(0, REFUSED);
        if call.refused == Refused::Error {
            let (answer, charged) = traced.call_in_window(&call.sql());
            assert!(answer.starts_with("53200 out of memory"), "{}: {answer}", call.sql());
            assert_eq!(charged, call.charged(call.left_of_refused), "{} refused", call.sql());
        } else {
            let (made, _, charged) = makes(traced, call);
            let expected = if call.refused == Refused::Null { N - 1 } else { N };
            assert_eq!((made, charged), (expected, call.charged(call.left_of_refused)), "{} refused", call.sql());
        }

        traced.tries(0, 0);
        let (made, _, charged) = makes(traced, call);
        assert_eq!((made, charged), (N, call.charged(call.left)), "{} afterwards", call.sql());
    });
}

#[test]
fn what_is_as_large_as_can_be_is_not_enlarged_beyond_that() {
    SERVERS.each(|server| {
        let mut traced = traced(server);
        traced.tries(ENLARGED, 0);
        let (answer, charged) = traced.call_in_window("of_largest(0, 0)");
        assert!(answer.starts_with("{1,"), "{answer}");
        assert_eq!(charged, Charged::default());
    });
}
