//! One violation, with everything that is known about it as typed fields. Sentences are rendered from it, never read.

use crate::access::Access;
use crate::check::{CheckKind, Measure, Per, Severity};
use crate::detail;
use crate::judge::growth::Shape;
use crate::judge::thresholds;
use crate::path::ContextPath;
use crate::site::Site;
use crate::words::words;

words! {
    /// The way of undoing the workload that a finding of `tx_abort_loop` depends on.
    Phase: "phase" {
        /// ROLLBACK of the whole transaction.
        Rollback = "rollback",
        /// ROLLBACK TO SAVEPOINT.
        Savepoint = "savepoint",
        /// An error raised after the workload in the same transaction.
        Error = "error",
    }
}

/// Totals of one context path at one mark of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkPoint {
    /// Iterations done when the mark was set, 0 being the start of the window; the number of rows in `query_bloat`.
    pub iteration: u64,
    /// Bytes in use (allocated less free) of all contexts with this path; requested bytes in a traced finding, at their
    /// peak in `query_bloat`.
    pub used: u64,
    /// Number of contexts with this path; of allocations in a traced finding.
    pub objects: u64,
}

/// A violation.
///
/// `bytes` and `objects` are growth over the window; `bytes_per_iter` and `objects_per_iter` the slope the judgement is
/// based on, which leaves out what a first iteration fills once. In `query_bloat` they count rows, not iterations.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was found.
    pub check: CheckKind,
    /// How bad it is.
    pub severity: Severity,
    /// The context it was found in, from the root.
    pub path: ContextPath,
    /// Bytes by which the contexts with this path grew over the window.
    pub bytes: u64,
    /// Number of contexts that were added over the window; how often it happened where there are no bytes to it.
    pub objects: u64,
    /// Iterations of the window; 0 where nothing was iterated.
    pub iterations: u64,
    /// Bytes per iteration.
    pub bytes_per_iter: f64,
    /// Contexts per iteration.
    pub objects_per_iter: f64,
    /// How it grew; none where there were too few marks to tell.
    pub shape: Option<Shape>,
    /// The kind of abort it needs; none where it does not depend on one.
    pub phase: Option<Phase>,
    /// The library that allocated it; empty where allocations were not traced.
    pub source_lib: String,
    /// The place in the library that allocated most of it; none where allocations were not traced. With one, bytes are
    /// requested bytes and objects are allocations, here and in the marks.
    pub site: Option<Site>,
    /// The curve the judgement was made from.
    pub marks: Vec<MarkPoint>,
    /// The sentence of the documented interface.
    pub detail: String,
    /// The access that it is about; none where it is about none.
    pub access: Option<Box<Access>>,
}

/// A cache of a usual bound is full after so many entries, and a collection comes.
const USUAL_BOUND: u64 = 1024;

/// A later rate that is less than this part of the one before is not the same growth any more.
const SAME_RATE: f64 = 0.5;

impl Finding {
    /// A bad access that was seen so many times. Charged is the library that did it, or else the one that allocated the chunk.
    pub fn of_access(check: CheckKind, path: ContextPath, access: Access, times: u64) -> Self {
        let site = access.at.as_ref().or(access.allocated.as_ref()).cloned();
        Finding {
            check,
            severity: thresholds::severity(check, 0, None),
            detail: detail::access(check, &path, &access),
            path,
            bytes: 0,
            objects: times,
            iterations: 0,
            bytes_per_iter: 0.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: site.as_ref().map_or_else(String::new, |site| site.frame.library.clone()),
            site,
            marks: Vec::new(),
            access: Some(Box::new(access)),
        }
    }

    /// What has happened once, at a place or at none: nothing that grows.
    pub fn of_event(check: CheckKind, name: &str, site: Option<Site>, detail: String) -> Self {
        Finding {
            check,
            severity: Severity::Error,
            path: ContextPath::new([name]),
            bytes: 0,
            objects: 1,
            iterations: 0,
            bytes_per_iter: 0.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: site.as_ref().map_or_else(String::new, |site| site.frame.library.clone()),
            site,
            marks: Vec::new(),
            detail,
            access: None,
        }
    }

    /// All places in code that are known of it.
    pub fn sites_mut(&mut self) -> impl Iterator<Item = &mut Site> {
        self.site.iter_mut().chain(self.access.iter_mut().flat_map(|access| access.sites_mut()))
    }

    /// Says of an overrun that it was done before the window it is told in.
    pub fn was_earlier(&mut self) {
        detail::add_earlier(&mut self.detail);
    }

    /// Says what is known now of the places of an access.
    pub fn describe_access(&mut self) {
        match self.access.as_ref() {
            Some(access) if self.check == CheckKind::ShmemOverrun => {
                if let Some(site) = &access.at {
                    self.detail = detail::with_writer(&self.detail, site);
                }
            }
            Some(access) => self.detail = detail::access(self.check, &self.path, access),
            None => {}
        }
    }

    /// Whether a cache or a heap that is collected now and then could have grown like that, for want of iterations or
    /// allocations: what bears it out is more of them.
    ///
    /// Segments of dynamic shared memory are few, and one is too many.
    pub fn is_thin(&self) -> bool {
        let is_memory =
            matches!(self.check.measure(), Measure::Memory(Per::Iteration)) && self.check != CheckKind::DsmLeak;
        // Where another context was left current, that is counted and not what it holds.
        let is_curve = self.check != CheckKind::WrongCtxAlloc || self.bytes > 0;
        let events = if self.objects > 0 { self.iterations.min(self.objects) } else { self.iterations };
        is_memory && is_curve && events < USUAL_BOUND
    }

    /// Whether this, found in a later window, is the same growth that goes on.
    pub fn bears_out(&self, earlier: &Finding) -> bool {
        // A context that was made in the first window stands when the later one is opened, and what it then holds is bloat.
        let in_context = |finding: &Finding| matches!(finding.check, CheckKind::ContextLeak | CheckKind::CtxBloat);
        let is_it = (self.check == earlier.check || in_context(self) && in_context(earlier))
            && self.path == earlier.path
            && self.source_lib == earlier.source_lib;
        let goes_on = |rate: fn(&Finding) -> f64| rate(earlier) > 0.0 && rate(self) >= rate(earlier) * SAME_RATE;
        is_it && (goes_on(|finding| finding.bytes_per_iter) || goes_on(|finding| finding.objects_per_iter))
    }

    /// Whether two findings say the same of the same, with other figures perhaps.
    pub fn is_about_the_same(&self, other: &Finding) -> bool {
        (self.check, &self.path, &self.source_lib) == (other.check, &other.path, &other.source_lib)
    }
}

/// What findings take as rows or as JSON (bytes), about.
pub fn bytes(findings: &[Finding]) -> usize {
    const ROW: usize = 2048;
    const FRAME: usize = 1024;
    const MARK: usize = 256;
    let of = |finding: &Finding| {
        let names: usize = finding.path.names().iter().map(|name| name.len() + size_of::<String>()).sum();
        let frames_of = |site: &Site| 1 + site.stack.len();
        let access = finding.access.iter().flat_map(|access| access.sites()).map(frames_of).sum::<usize>();
        let frames = finding.site.as_ref().map_or(0, frames_of) + access;
        ROW + 4 * (names + finding.detail.len()) + frames * FRAME + finding.marks.len() * MARK
    };
    findings.iter().map(of).sum()
}

/// Worst first, then by path, check and phase.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.path.cmp(&b.path))
            .then(a.check.cmp(&b.check))
            .then(a.phase.cmp(&b.phase))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: CheckKind, iterations: u64, bytes: u64, objects: u64) -> Finding {
        let rate = |total: u64| total as f64 / iterations as f64;
        Finding {
            check,
            severity: Severity::Info,
            path: ContextPath::new(["mine"]),
            bytes,
            objects,
            iterations,
            bytes_per_iter: rate(bytes),
            objects_per_iter: rate(objects),
            shape: None,
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: Vec::new(),
            detail: String::new(),
            access: None,
        }
    }

    #[test]
    fn few_iterations_or_allocations_are_thin() {
        let table = [
            (finding(CheckKind::CtxBloat, 100, 10_000, 100), true),
            (finding(CheckKind::CtxBloat, 100, 10_000, 10_000), true),
            (finding(CheckKind::CtxBloat, 2000, 10_000, 100), true),
            (finding(CheckKind::CtxBloat, 2000, 10_000, 2000), false),
            (finding(CheckKind::CtxBloat, 2000, 10_000, 0), false),
            (finding(CheckKind::ContextLeak, 100, 0, 100), true),
            (finding(CheckKind::DsmLeak, 10, 10_000, 10), false),
            (finding(CheckKind::WrongCtxAlloc, 10, 0, 10), false),
            (finding(CheckKind::ResourceLeak, 10, 0, 10), false),
            (finding(CheckKind::QueryBloat, 10, 10_000, 10), false),
        ];
        for (finding, expected) in table {
            assert_eq!(finding.is_thin(), expected, "{finding:?}");
        }
    }

    #[test]
    fn growth_is_borne_out_by_the_same_at_no_less_than_half_the_rate() {
        let early = finding(CheckKind::CtxBloat, 100, 10_000, 100);
        let table = [
            (finding(CheckKind::CtxBloat, 900, 90_000, 900), true),
            (finding(CheckKind::CtxBloat, 900, 45_000, 450), true),
            (finding(CheckKind::CtxBloat, 900, 40_000, 400), false),
            (finding(CheckKind::CtxBloat, 900, 40_000, 900), true),
            (finding(CheckKind::ContextLeak, 900, 90_000, 900), true),
            (finding(CheckKind::MallocLeak, 900, 90_000, 900), false),
            (Finding { source_lib: "x".into(), ..finding(CheckKind::CtxBloat, 900, 90_000, 900) }, false),
        ];
        for (late, expected) in table {
            assert_eq!(late.bears_out(&early), expected, "{late:?}");
        }
    }
}
