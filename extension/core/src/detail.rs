//! The sentences of the documented interface, rendered from what is known.

use crate::access::{Access, Act};
use crate::census::{Live, Totals};
use crate::check::CheckKind;
use crate::judge::growth::{Growth, Shape};
use crate::path::ContextPath;
use crate::site::Site;

/// `context_leak`. Contexts that piled up are counted behind the documented sentence.
pub fn context_leak(path: &ContextPath, before: Totals, after: Totals) -> String {
    let mut text = format!(
        "context '{}' (depth {}): used grew by {} bytes (before={} after={}); allocated before={} after={}",
        path.leaf(),
        path.depth(),
        after.used.saturating_sub(before.used),
        before.used,
        after.used,
        before.allocated,
        after.allocated,
    );
    if after.objects > before.objects + 1 {
        text.push_str(&format!("; contexts before={} after={}", before.objects, after.objects));
    }
    text
}

/// A traced finding, in requested bytes; where it was allocated is added by the engine.
pub fn traced(path: &ContextPath, before: Live, after: Live) -> String {
    format!(
        "context '{}' (depth {}): requested bytes grew by {} (before={} after={}); allocations before={} after={}",
        path.leaf(),
        path.depth(),
        after.bytes.saturating_sub(before.bytes),
        before.bytes,
        after.bytes,
        before.allocations,
        after.allocations,
    )
}

/// What is added to a sentence about contexts that pile up.
pub fn blocks(contexts: u64, bytes: u64) -> String {
    let more = if contexts == 1 { "1 more context takes".to_owned() } else { format!("{contexts} more contexts take") };
    format!("; {more} {bytes} bytes in blocks")
}

/// `query_bloat`: the peaks at the smallest and at the largest number of rows, counted in `what`.
pub fn query_bloat(path: &ContextPath, what: &str, (few, at_few): (u64, Live), (many, at_many): (u64, Live)) -> String {
    format!(
        "context '{}' (depth {}): peak grew from {} bytes in {} {what} at {few} rows to {} bytes in {} {what} at {many} rows",
        path.leaf(),
        path.depth(),
        at_few.bytes,
        at_few.allocations,
        at_many.bytes,
        at_many.allocations,
    )
}

/// Memory outside of contexts that is not given back.
pub fn lost(kind: &str, before: Live, after: Live) -> String {
    format!(
        "{kind}: requested bytes grew by {} (before={} after={}); allocations before={} after={}",
        after.bytes.saturating_sub(before.bytes),
        before.bytes,
        after.bytes,
        before.allocations,
        after.allocations,
    )
}

/// Segments of dynamic shared memory that are left by sessions which have ended.
pub fn outlived(kind: &str, sessions: u64, left: Live, site: &Site) -> String {
    format!(
        "{kind}: {} bytes in {} segments are still there after {sessions} sessions have ended; allocated at {}",
        left.bytes,
        left.allocations,
        site.frame.place(),
    )
}

/// A segment of dynamic shared memory that was tracked by hand (documented).
pub fn still_attached(handle: u32, pid: i32, attached_at: &str, bytes: u64) -> String {
    format!(
        "DSM segment with handle {handle} attached by backend PID {pid} at {attached_at} is still attached at session end. Size: \
         {bytes} bytes."
    )
}

/// `wrong_ctx_alloc` for memory in a global context.
///
/// The documented sentence speaks of blocks. Where what was allocated still fitted into free space, it is the bytes in use
/// that grew.
pub fn wrong_context(path: &ContextPath, before: Totals, after: Totals) -> String {
    let (what, before_bytes, after_bytes) = if after.allocated > before.allocated {
        ("allocated", before.allocated, after.allocated)
    } else {
        ("used", before.used, after.used)
    };
    format!(
        "context '{}' (depth {}): {what} grew by {} bytes in a known global context (before={before_bytes} \
         after={after_bytes}); free before={} after={}",
        path.leaf(),
        path.depth(),
        after_bytes.saturating_sub(before_bytes),
        before.free(),
        after.free(),
    )
}

/// `wrong_ctx_alloc` for a context created right under a global one.
pub fn new_global_child(path: &ContextPath, parent: &str, parent_depth: u32) -> String {
    format!(
        "new context '{}' (depth {}) created under a global parent '{parent}' (depth {parent_depth})",
        path.leaf(),
        path.depth(),
    )
}

/// `ctx_bloat`.
pub fn ctx_bloat(path: &ContextPath, iterations: u64, before: Totals, after: Totals, growth: Growth) -> String {
    format!(
        "context '{}' (depth {}): {} bloat over {iterations} iters, used {}->{} bytes (+{}); rate early={:.1} \
         late={:.1} B/iter",
        path.leaf(),
        path.depth(),
        growth.shape.unwrap_or(Shape::Linear),
        before.used,
        after.used,
        growth.total,
        growth.early,
        growth.late,
    )
}

/// What was done to which chunk, without where.
pub fn act(check: CheckKind, access: &Access, is_in_heap: bool) -> String {
    let counted = |count: u64| format!("{count} byte{}", if count == 1 { "" } else { "s" });
    let state = match check {
        _ if access.is_mismatched && is_in_heap => "malloc'ed ",
        _ if access.is_mismatched => "palloc'ed ",
        CheckKind::UseAfterFree | CheckKind::DoubleFree => "freed ",
        _ => "",
    };
    let noun = if check == CheckKind::ShmemOverrun { "segment" } else { "chunk" };
    let chunk = format!("a {state}{noun} of {}", counted(access.requested));
    match access.act {
        Some(Act::Release) => {
            let function = match (access.is_mismatched, is_in_heap) {
                (true, true) => "pfree()",
                (true, false) => "free()",
                (false, _) => "release",
            };
            format!("{function} of {chunk}")
        }
        act => {
            let act = act.map_or("access", Act::as_str);
            let size = access.size.map_or(String::new(), |size| format!(" of {}", counted(size.into())));
            format!("{act}{size} at offset {} of {chunk}", access.offset)
        }
    }
}

/// A bad access: what was done to which chunk, and where, as far as that is known.
pub fn access(check: CheckKind, path: &ContextPath, access: &Access) -> String {
    let is_in_heap = path.is_heap();
    let mut text = act(check, access, is_in_heap);
    if !is_in_heap {
        text.push_str(&format!(" in context '{}' (depth {})", path.leaf(), path.depth()));
    }
    if check == CheckKind::UseAfterReset {
        text.push_str(" after it was reset or deleted");
    }
    for (verb, site) in [("by", &access.at), ("allocated by", &access.allocated), ("freed by", &access.released)] {
        if let Some(site) = site {
            text.push_str(&format!("; {verb} {}", place(site)));
        }
    }
    text
}

/// What the sentence of an overrun has behind the bytes where it was done before the window.
pub(crate) const EARLIER: &str = ", before this window";

/// Adds that to a sentence that does not have it.
pub(crate) fn add_earlier(sentence: &mut String) {
    if !sentence.contains(EARLIER) {
        let at = [CAUGHT, CALLED].into_iter().find_map(|end| sentence.rfind(end)).unwrap_or(sentence.len());
        sentence.insert_str(at, EARLIER);
    }
}

/// How the sentence of an overrun of shared memory goes on where who has written is known: it was caught in the act, or it must have
/// been in this function, while that ran.
const CAUGHT: &str = "; by ";
const CALLED: &str = "; during a call of ";

/// Who was caught.
pub(crate) fn caught(site: &Site) -> String {
    format!("{CAUGHT}{}", place(site))
}

/// While which function it was done.
pub(crate) fn called(site: &Site) -> String {
    format!("{CALLED}{}", place(site))
}

/// The sentence of an overrun with what is known of its writer by now. It is all of it that may become known later.
pub(crate) fn with_writer(sentence: &str, site: &Site) -> String {
    let start = [CAUGHT, CALLED].into_iter().find_map(|end| Some(sentence.rfind(end)? + end.len()));
    let known = start.and_then(|at| sentence.get(..at));
    known.map_or_else(|| sentence.to_owned(), |known| format!("{known}{}", place(site)))
}

/// `f (file.c:7)`, `f` or `library+0x10`
fn place(site: &Site) -> String {
    let frame = &site.frame;
    match &frame.line {
        Some(line) => {
            let name = line.file.rsplit('/').next().unwrap_or(&line.file);
            format!("{} ({name}:{})", frame.place(), line.number)
        }
        None => frame.place(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::SiteId;
    use crate::site::{Frame, Line};

    fn site(symbol: Option<&str>, file: Option<&str>) -> Site {
        let line = file.map(|file| Line { file: file.to_owned(), number: 7 });
        let symbol = symbol.map(str::to_owned);
        let frame = Frame { library: "mine".to_owned(), offset: 16, symbol, line, ..Frame::default() };
        Site { frame, ..Site::numbered(SiteId(0)) }
    }

    fn released(is_mismatched: bool) -> Access {
        Access { act: Some(Act::Release), is_mismatched, ..Access::default() }
    }

    fn totals(used: u64, allocated: u64, objects: u64) -> Totals {
        Totals { used, allocated, objects }
    }

    #[test]
    fn sentences_keep_their_documented_wording() {
        let top = ContextPath::new(["TopMemoryContext"]);
        let child = ContextPath::new(["MessageContext", "BuggyPlannerLeakCtx"]);
        let growth = Growth { total: 80, rate: 8.0, early: 7.96, late: 8.0, shape: Some(Shape::Superlinear) };
        let table = [
            (
                context_leak(&top, totals(381_800, 589_216, 1), totals(391_192, 589_216, 1)),
                "context 'TopMemoryContext' (depth 0): used grew by 9392 bytes (before=381800 after=391192); allocated \
                 before=589216 after=589216",
            ),
            (
                context_leak(&child, totals(0, 0, 0), totals(16_976, 49_152, 2)),
                "context 'BuggyPlannerLeakCtx' (depth 2): used grew by 16976 bytes (before=0 after=16976); allocated \
                 before=0 after=49152; contexts before=0 after=2",
            ),
            (
                wrong_context(&top, totals(734_640, 1_113_504, 1), totals(8_952_336, 16_842_144, 1)),
                "context 'TopMemoryContext' (depth 0): allocated grew by 15728640 bytes in a known global context \
                 (before=1113504 after=16842144); free before=378864 after=7889808",
            ),
            (
                wrong_context(&top, totals(1000, 20_000, 1), totals(9200, 20_000, 1)),
                "context 'TopMemoryContext' (depth 0): used grew by 8200 bytes in a known global context (before=1000 \
                 after=9200); free before=19000 after=10800",
            ),
            (
                traced(&top, Live { bytes: 8, allocations: 1 }, Live { bytes: 808, allocations: 101 }),
                "context 'TopMemoryContext' (depth 0): requested bytes grew by 800 (before=8 after=808); allocations before=1 \
                 after=101",
            ),
            (
                query_bloat(
                    &child,
                    "allocations",
                    (500, Live { bytes: 4000, allocations: 500 }),
                    (2000, Live { bytes: 16_000, allocations: 2000 }),
                ),
                "context 'BuggyPlannerLeakCtx' (depth 2): peak grew from 4000 bytes in 500 allocations at 500 rows to 16000 \
                 bytes in 2000 allocations at 2000 rows",
            ),
            (
                new_global_child(&ContextPath::new(["CacheMemoryContext", "mine"]), "CacheMemoryContext", 1),
                "new context 'mine' (depth 2) created under a global parent 'CacheMemoryContext' (depth 1)",
            ),
            (
                access(
                    CheckKind::BufferOverrun,
                    &child,
                    &Access {
                        act: Some(Act::Write),
                        offset: 8,
                        size: Some(1),
                        requested: 8,
                        allocated: Some(site(Some("f"), Some("src/mine.c"))),
                        ..Access::default()
                    },
                ),
                "write of 1 byte at offset 8 of a chunk of 8 bytes in context 'BuggyPlannerLeakCtx' (depth 2); allocated by f \
                 (mine.c:7)",
            ),
            (
                access(
                    CheckKind::UseAfterFree,
                    &ContextPath::heap(),
                    &Access {
                        offset: -1,
                        requested: 1,
                        at: Some(site(None, None)),
                        released: Some(site(Some("g"), None)),
                        ..Access::default()
                    },
                ),
                "access at offset -1 of a freed chunk of 1 byte; by mine+0x10; freed by g",
            ),
            (
                access(
                    CheckKind::UseAfterReset,
                    &top,
                    &Access { act: Some(Act::Read), size: Some(4), ..Access::default() },
                ),
                "read of 4 bytes at offset 0 of a chunk of 0 bytes in context 'TopMemoryContext' (depth 0) after it was reset or \
                 deleted",
            ),
            (
                access(CheckKind::DoubleFree, &top, &Access { requested: 16, ..released(false) }),
                "release of a freed chunk of 16 bytes in context 'TopMemoryContext' (depth 0)",
            ),
            (
                access(CheckKind::DoubleFree, &top, &Access { requested: 16, ..released(true) }),
                "free() of a palloc'ed chunk of 16 bytes in context 'TopMemoryContext' (depth 0)",
            ),
            (
                access(CheckKind::DoubleFree, &ContextPath::heap(), &Access { requested: 16, ..released(true) }),
                "pfree() of a malloc'ed chunk of 16 bytes",
            ),
            (
                ctx_bloat(&top, 10, totals(100, 0, 1), totals(180, 0, 1), growth),
                "context 'TopMemoryContext' (depth 0): superlinear bloat over 10 iters, used 100->180 bytes (+80); rate \
                 early=8.0 late=8.0 B/iter",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(text, expected);
        }
    }
}
