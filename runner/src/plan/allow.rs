//! `allow ... because`: violations that are known, from a spec or from `mcspec.toml`.

use std::sync::Arc;

use memcheck_core::like::Like;
use memcheck_core::targets::without_release;
use memcheck_core::{CheckKind, ContextPath, Finding, Frame, Site};

use super::Place;
use crate::language::SourceFile;
use crate::language::ast;
use crate::language::day::Day;

/// Violations that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    check: Option<CheckKind>,
    likes: Vec<Like>,
    contexts: Vec<Like>,
    from: Option<Like>,
    at: Option<Like>,
    /// Why they are allowed.
    pub because: String,
    /// The day from which on they are not.
    pub until: Option<Day>,
    /// Whether that day has come.
    pub is_over: bool,
    /// The clause.
    pub place: Place,
}

impl Allowance {
    /// Takes a clause of a file, on that day.
    pub fn new(clause: &ast::Allowance, source: &Arc<SourceFile>, today: Day) -> Self {
        let like = |pattern: &ast::Spanned<String>| Like::new(&*pattern.value);
        let until = clause.until.as_ref().map(|until| until.value);
        Allowance {
            check: clause.check.as_ref().map(|check| check.value),
            likes: clause.likes.iter().map(like).collect(),
            contexts: clause.contexts.iter().map(like).collect(),
            from: clause.from.as_ref().map(like),
            at: clause.at.as_ref().map(like),
            because: clause.because.value.clone(),
            until,
            is_over: until.is_some_and(|until| until <= today),
            place: Place { source: Arc::clone(source), offset: clause.span.start },
        }
    }

    /// Whether it is about a violation, whose context has that path where names are as a spec has them.
    pub fn is_about(&self, finding: &Finding, path: &ContextPath) -> bool {
        let site = finding.site.as_ref();
        let is_at =
            |pattern: &Like| site.is_some_and(|site| functions(site).any(|function| pattern.matches(&function)));
        let is_like =
            |pattern: &Like| path.matches(pattern) || is_at(pattern) || pattern.matches(finding.check.as_str());
        let any = |patterns: &[Like], fits: &dyn Fn(&Like) -> bool| patterns.is_empty() || patterns.iter().any(fits);
        self.check.is_none_or(|check| check == finding.check)
            && any(&self.likes, &is_like)
            && any(&self.contexts, &|pattern| path.matches(pattern))
            && self.from.as_ref().is_none_or(|from| is_from(from, &finding.source_lib))
            && self.at.as_ref().is_none_or(is_at)
    }
}

/// Whether a library is like that, with or without the release at the end of its name.
pub(crate) fn is_from(pattern: &Like, library: &str) -> bool {
    pattern.matches(library) || pattern.matches(without_release(library))
}

/// The function of a site, and those that the compiler made it part of.
pub(crate) fn functions(site: &Site) -> impl Iterator<Item = String> {
    let frame = &site.frame;
    let same_call = move |other: &&Frame| other.offset == frame.offset && other.library == frame.library;
    std::iter::once(frame).chain(site.stack.iter().filter(same_call)).map(Frame::place)
}

#[cfg(test)]
mod tests {
    use memcheck_core::Severity;
    use memcheck_core::census::SiteId;

    use super::*;
    use crate::language::parse;

    fn allowances(clause: &str, today: &str) -> Vec<Allowance> {
        let text = format!("allow {clause}\nscenario window w\n  workload {{ SELECT 1 }}\n");
        let source = Arc::new(SourceFile::new("x.mcspec", text));
        let spec = parse(&source).unwrap();
        let of = |clause| Allowance::new(clause, &source, today.parse().unwrap());
        spec.allowances.iter().map(of).collect()
    }

    #[test]
    fn a_clause_is_about_what_fits_all_of_it() {
        let frame = Frame { offset: 8, symbol: Some("fill_cache".into()), ..Frame::default() };
        let finding = Finding {
            check: CheckKind::CtxBloat,
            severity: Severity::Info,
            path: ContextPath::new(["CacheMemoryContext", "my cache"]),
            bytes: 0,
            objects: 0,
            iterations: 0,
            bytes_per_iter: 0.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: "my_ext-1.2".into(),
            site: Some(Site { frame, ..Site::numbered(SiteId(1)) }),
            marks: Vec::new(),
            detail: String::new(),
            access: None,
        };
        for (clause, expected) in [
            ("'my cache'", true),
            ("'my%', 'other'", true),
            ("'CacheMemoryContext'", false),
            ("'CacheMemoryContext/%'", true),
            ("'fill_%'", true),
            ("'ctx_bloat'", true),
            ("'other'", false),
            ("ctx_bloat", true),
            ("ctx_bloat 'my cache'", true),
            ("context_leak 'my cache'", false),
            ("'%' in 'fill_cache'", false),
            ("in 'my cache'", true),
            ("at 'fill_cache'", true),
            ("at 'my cache'", false),
            ("from 'my_ext'", true),
            ("from 'my_ext-1.2' at 'fill%' in 'my%'", true),
            ("from 'my' at 'fill%'", false),
        ] {
            let allowance = &allowances(&format!("{clause} because 'known'"), "2026-11-27")[0];
            assert_eq!(allowance.is_about(&finding, &finding.path), expected, "{clause}");
        }
        let untraced = Finding { site: None, source_lib: String::new(), ..finding };
        let allowance = &allowances("at '%' because 'known'", "2026-11-27")[0];
        assert!(!allowance.is_about(&untraced, &untraced.path));
    }

    #[test]
    fn an_allowance_ends_with_its_day() {
        for (today, is_over) in [("2026-12-31", false), ("2027-01-01", true), ("2027-01-02", true)] {
            let allowance = &allowances("'x' because 'it''s known' until 2027-01-01", today)[0];
            assert_eq!((allowance.is_over, &*allowance.because), (is_over, "it's known"));
        }
        assert!(!allowances("'x' until 9999-01-01 because 'y'", "2026-11-27")[0].is_over);
    }
}
