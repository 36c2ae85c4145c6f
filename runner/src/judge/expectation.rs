//! One `expect` clause against the findings of its scenario.

use memcheck_core::golden::bucket;
use memcheck_core::like::Like;
use memcheck_core::{ContextPath, Site};
use regex::Regex;

use super::Owned;
use super::note::counted;
use crate::golden;
use crate::language::ast::{Expectation, ExpectedViolation, Rate};
use crate::plan::{admits, functions, is_from};

/// A finding, and what a spec and a golden call it.
pub(super) struct Found<'a> {
    pub(super) owned: Owned<'a>,
    /// Its path after the spec's `normalize` rules.
    path: ContextPath,
}

impl<'a> Found<'a> {
    pub(super) fn new(owned: Owned<'a>, normalize: &[(Regex, String)]) -> Self {
        let Ok(path) = golden::subject(owned.finding, normalize).parse();
        Found { owned, path }
    }

    fn is_in(&self, contexts: &[Like]) -> bool {
        contexts.is_empty() || contexts.iter().any(|pattern| self.path.matches(pattern))
    }
}

/// Why an expectation is not met.
pub(super) struct Miss<'f, 'a> {
    /// What was found instead.
    pub(super) closest: String,
    /// Where that was allocated, where that is known.
    pub(super) site: Option<Site>,
    /// What should not have been found.
    pub(super) unwanted: Vec<&'f Found<'a>>,
}

impl<'f, 'a> Miss<'f, 'a> {
    fn none(closest: String) -> Option<Self> {
        Some(Miss { closest, site: None, unwanted: Vec::new() })
    }

    fn of(found: &Found, closest: String) -> Option<Self> {
        Some(Miss { closest, site: found.owned.finding.site.clone(), unwanted: Vec::new() })
    }

    fn unwanted(unwanted: Vec<&'f Found<'a>>) -> Option<Self> {
        let closest = format!("found {}", counted(unwanted.len()));
        (!unwanted.is_empty()).then_some(Miss { closest, site: None, unwanted })
    }
}

/// Why an expectation is not met; none if it is.
pub(super) fn miss<'f, 'a>(expectation: &Expectation, findings: &'f [Found<'a>]) -> Option<Miss<'f, 'a>> {
    match expectation {
        Expectation::Nothing => Miss::unwanted(findings.iter().filter(|found| !found.owned.is_allowed()).collect()),
        Expectation::No { check, contexts } => {
            let contexts: Vec<Like> = contexts.iter().map(|pattern| Like::new(&*pattern.value)).collect();
            let is_bad = |found: &&Found| {
                !found.owned.is_allowed() && found.owned.finding.check == check.value && found.is_in(&contexts)
            };
            Miss::unwanted(findings.iter().filter(is_bad).collect())
        }
        Expectation::Violation(expected) => miss_violation(expected, findings),
        // Met or failed while the scenario ran.
        Expectation::Error(_) => None,
    }
}

fn miss_violation<'f, 'a>(expected: &ExpectedViolation, findings: &'f [Found<'a>]) -> Option<Miss<'f, 'a>> {
    let contexts: Vec<Like> = expected.contexts.iter().map(|pattern| Like::new(&*pattern.value)).collect();
    let misses: Vec<(&Found, Vec<String>)> = findings
        .iter()
        .filter(|found| found.owned.finding.check == expected.check.value)
        .map(|found| (found, differing(expected, &contexts, found)))
        .collect();
    let met = misses.iter().filter(|(_, differing)| differing.is_empty()).count();
    let enough = match &expected.count {
        Some(count) => count.value.contains(met as f64),
        None => met > 0,
    };
    if enough {
        return None;
    }
    if met > 0 {
        return Miss::none(format!("found {met}"));
    }
    // A violation in the right place is closer than one that is right in everything else.
    let distance = |(found, differing): &(&Found, Vec<String>)| (!found.is_in(&contexts), differing.len());
    match misses.into_iter().min_by_key(distance) {
        Some((found, differing)) => Miss::of(found, format!("closest: {}", differing.join(", "))),
        None => match findings {
            [] => Miss::none("no violation found".to_owned()),
            [first, ..] => Miss::of(first, format!("no {} found; there is {}", expected.check.value, brief(first))),
        },
    }
}

/// The properties of a finding that are not as expected.
fn differing(expected: &ExpectedViolation, contexts: &[Like], found: &Found) -> Vec<String> {
    let &Found { owned: Owned { owner, finding, .. }, ref path } = found;
    let mut differing = Vec::new();
    if let Some(by) = &expected.by
        && owner != Some(&by.value)
    {
        differing.push(owner.map_or("of no session".to_owned(), |owner| format!("by {owner}")));
    }
    if !found.is_in(contexts) {
        differing.push(format!("in \"{path}\""));
    }
    if let Some((op, severity)) = &expected.severity
        && !admits(*op, finding.severity.cmp(&severity.value))
    {
        differing.push(finding.severity.to_string());
    }
    if let Some((range, rate)) = &expected.bytes {
        let (bytes, unit) = match rate {
            Rate::Total => (finding.bytes as f64, "B"),
            Rate::PerIteration => (finding.bytes_per_iter, "B/iter"),
            Rate::PerRow => (finding.bytes_per_iter, "B/row"),
        };
        if !range.value.contains(bytes) {
            differing.push(format!("{} {unit}", short(bytes)));
        }
    }
    if let Some(shape) = &expected.shape
        && finding.shape != Some(shape.value)
    {
        differing.push(finding.shape.map_or("no shape".to_owned(), |shape| format!("shape {shape}")));
    }
    if let Some(from) = &expected.from
        && !is_from(&Like::new(&*from.value), &finding.source_lib)
    {
        let library = if finding.source_lib.is_empty() { "an unknown library" } else { &finding.source_lib };
        differing.push(format!("from {library}"));
    }
    if let Some(at) = &expected.at {
        let pattern = Like::new(&*at.value);
        if !finding.site.as_ref().is_some_and(|site| functions(site).any(|function| pattern.matches(&function))) {
            let place = finding.site.as_ref().map(|site| site.frame.place());
            differing.push(format!("at {}", place.as_deref().unwrap_or("an unknown place")));
        }
    }
    if let Some(on) = &expected.on
        && finding.phase != Some(on.value)
    {
        differing.push(finding.phase.map_or("also on commit".to_owned(), |phase| format!("on {phase}")));
    }
    if let Some(detail) = &expected.detail
        && !Like::new(&*detail.value).matches(&finding.detail)
    {
        differing.push(format!("detail \"{}\"", finding.detail));
    }
    differing
}

/// `ctx_bloat ERROR in "TopMemoryContext", 8208 B/iter`
fn brief(&Found { owned: Owned { owner, finding, .. }, ref path }: &Found) -> String {
    let size = if finding.check.is_counted() {
        format!("x{}", finding.objects)
    } else if finding.iterations > 1 {
        format!("{} B/{}", short(finding.bytes_per_iter), finding.check.per().as_str())
    } else {
        bucket::bytes(finding.bytes)
    };
    let by = owner.map_or(String::new(), |owner| format!(" by {owner}"));
    format!("{} {} in \"{path}\"{by}, {size}", finding.check, finding.severity)
}

/// A number with at most one decimal.
fn short(number: f64) -> String {
    if (number - number.round()).abs() < 0.05 { format!("{number:.0}") } else { format!("{number:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{SourceFile, parse};
    use memcheck_core::census::SiteId;
    use memcheck_core::{CheckKind, ContextPath, Finding, Frame, Phase, Severity, Shape};

    fn owned(finding: &Finding) -> Owned<'_> {
        Owned { owner: None, finding, allowance: None }
    }

    fn miss(expectation: &Expectation, findings: &[Finding]) -> Option<String> {
        let found: Vec<Found> = findings.iter().map(|finding| Found::new(owned(finding), &[])).collect();
        super::miss(expectation, &found).map(|miss| miss.closest)
    }

    fn expectation(clause: &str) -> Expectation {
        let text = format!("scenario tx_abort_loop w\n  workload {{ SELECT 1 }}\n  expect {clause}\n");
        let spec = parse(&SourceFile::new("x.mcspec", text)).unwrap();
        spec.scenarios[0].expects[0].what.clone()
    }

    fn finding(check: CheckKind, severity: Severity, path: &[&str], per_iter: f64) -> Finding {
        Finding {
            check,
            severity,
            path: ContextPath::new(path.iter().copied()),
            bytes: (per_iter * 1000.0) as u64,
            objects: 0,
            iterations: 1000,
            bytes_per_iter: per_iter,
            objects_per_iter: 0.0,
            shape: Some(Shape::Linear),
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: Vec::new(),
            detail: "used grew".into(),
            access: None,
        }
    }

    #[test]
    fn nothing_and_no_are_closed_and_open() {
        let leak = finding(CheckKind::ContextLeak, Severity::Info, &["my ctx"], 100.0);
        let bloat = finding(CheckKind::CtxBloat, Severity::Error, &["TopMemoryContext"], 8208.0);
        let table = [
            ("none", vec![], None),
            ("none", vec![&leak], Some("found 1 violation")),
            ("none", vec![&leak, &bloat], Some("found 2 violations")),
            ("no context_leak", vec![&bloat], None),
            ("no context_leak", vec![&leak, &bloat, &leak], Some("found 2 violations")),
            ("no context_leak in 'other%'", vec![&leak], None),
            ("no context_leak in 'other%', 'my%'", vec![&leak], Some("found 1 violation")),
        ];
        for (clause, findings, expected) in table {
            let findings: Vec<Finding> = findings.into_iter().cloned().collect();
            assert_eq!(miss(&expectation(clause), &findings).as_deref(), expected, "{clause}");
        }
    }

    #[test]
    fn contexts_have_the_names_that_goldens_give_them() {
        let findings = [
            finding(CheckKind::CtxBloat, Severity::Info, &["CacheMemoryContext", "plan 17"], 100.0),
            finding(CheckKind::CtxBloat, Severity::Info, &["CacheMemoryContext", "plan 4", "of a/b"], 100.0),
        ];
        let rules = [("plan [0-9]+", "plan N"), ("^CacheMemoryContext/", "Cache/"), (r"a\\/b", "c")];
        let rules = rules.map(|(pattern, text)| (Regex::new(pattern).unwrap(), text.to_owned()));
        let found: Vec<Found> = findings.iter().map(|finding| Found::new(owned(finding), &rules)).collect();
        let table = [
            ("ctx_bloat in 'plan N'", None),
            ("ctx_bloat in 'Cache/plan N'", None),
            ("ctx_bloat in 'of c'", None),
            ("ctx_bloat in 'Cache/%' count 2", None),
            ("no ctx_bloat in 'plan 17', 'CacheMemoryContext/%', 'of a/b'", None),
            ("no ctx_bloat in 'plan _'", Some("found 1 violation")),
            ("ctx_bloat in 'plan 17'", Some("closest: in \"Cache/plan N\"")),
        ];
        for (clause, expected) in table {
            let missed = super::miss(&expectation(clause), &found).map(|miss| miss.closest);
            assert_eq!(missed.as_deref(), expected, "{clause}");
        }
    }

    #[test]
    fn a_function_is_also_known_by_what_it_was_inlined_into() {
        let frame = |offset, symbol: &str| Frame { offset, symbol: Some(symbol.into()), ..Frame::default() };
        let stack = vec![frame(8, "helper"), frame(8, "caller"), frame(16, "far")];
        let site = Site { frame: frame(8, "helper"), stack, ..Site::numbered(SiteId(1)) };
        let bloat = finding(CheckKind::CtxBloat, Severity::Error, &["TopMemoryContext"], 8208.0);
        let bloat = [Finding { site: Some(site), ..bloat }];
        for (pattern, expected) in [("helper", None), ("call%", None), ("far", Some("closest: at helper"))] {
            let missed = miss(&expectation(&format!("ctx_bloat at '{pattern}'")), &bloat);
            assert_eq!(missed.as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn sizes_of_query_bloat_are_per_row() {
        let bloat = finding(CheckKind::QueryBloat, Severity::Warning, &["ExecutorState"], 256.0);
        let expect = |clause: &str| {
            let text =
                format!("scenario query_peak\n  rows in (1, 2)\n  workload {{ SELECT :rows }}\n  expect {clause}\n");
            let spec = parse(&SourceFile::new("x.mcspec", text)).unwrap();
            miss(&spec.scenarios[0].expects[0].what, std::slice::from_ref(&bloat))
        };
        assert_eq!(expect("query_bloat bytes 200 .. 300 per row"), None);
        assert_eq!(expect("query_bloat bytes > 300 per row").as_deref(), Some("closest: 256 B/row"));
        let other = "no dsm_leak found; there is query_bloat WARNING in \"ExecutorState\", 256 B/row";
        assert_eq!(expect("dsm_leak").as_deref(), Some(other));
    }

    #[test]
    fn the_closest_violation_is_named_by_what_differs() {
        let findings = [
            finding(CheckKind::CtxBloat, Severity::Warning, &["TopMemoryContext"], 136.0),
            finding(CheckKind::CtxBloat, Severity::Error, &["CacheMemoryContext", "mine"], 9000.5),
            Finding {
                phase: Some(Phase::Rollback),
                ..finding(CheckKind::ContextLeak, Severity::Info, &["TopMemoryContext"], 20.0)
            },
        ];
        let table = [
            ("ctx_bloat", None),
            ("ctx_bloat warning", None),
            ("ctx_bloat >= warning count 2", None),
            ("ctx_bloat <= info", Some("closest: WARNING")),
            (
                "ctx_bloat error in 'TopMemoryContext' bytes 8kB .. 9kB per iteration",
                Some("closest: WARNING, 136 B/iter"),
            ),
            ("ctx_bloat error in 'mine' bytes 8kB .. 9kB per iteration", None),
            ("ctx_bloat in 'CacheMemoryContext/%' bytes < 9000 per iteration", Some("closest: 9000.5 B/iter")),
            ("ctx_bloat bytes 136_000", None),
            ("ctx_bloat in 'TopMemoryContext' bytes 1kB", Some("closest: 136000 B")),
            ("ctx_bloat count 1", Some("found 2")),
            ("ctx_bloat error shape superlinear", Some("closest: shape linear")),
            ("ctx_bloat warning in 'Portal%'", Some("closest: in \"TopMemoryContext\"")),
            ("ctx_bloat error detail like 'allocated%'", Some("closest: detail \"used grew\"")),
            ("ctx_bloat from 'my_ext'", Some("closest: from an unknown library")),
            ("ctx_bloat at 'my_%'", Some("closest: at an unknown place")),
            ("context_leak on rollback", None),
            ("context_leak on savepoint", Some("closest: on rollback")),
            ("ctx_bloat error on error", Some("closest: also on commit")),
            ("dsm_leak", Some("no dsm_leak found; there is ctx_bloat WARNING in \"TopMemoryContext\", 136 B/iter")),
        ];
        for (clause, expected) in table {
            assert_eq!(miss(&expectation(clause), &findings).as_deref(), expected, "{clause}");
        }
        assert_eq!(miss(&expectation("dsm_leak"), &[]).as_deref(), Some("no violation found"));
    }
}
