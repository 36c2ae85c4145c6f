//! Reading a spec and what it refers to: included files and workload files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use memcheck_core::golden::row::Policy;

use super::sessions::{MOST, interleaved, scenario_title, title};
use super::{Part, Problem};
use crate::language::ast::{PermutedStep, Spanned, Spec, Trace, WorkloadSource};
use crate::language::lint::{Surroundings, Warning, lint};
use crate::language::sql::copies_from_client;
use crate::language::{Diagnostic, SourceFile, parse, parse_include};
use crate::panicked;

/// A spec that parses, with everything it refers to.
#[derive(Debug)]
pub struct Loaded {
    /// Its name below the directory of specs.
    pub name: String,
    /// The file.
    pub source: Arc<SourceFile>,
    /// Its tree.
    pub spec: Spec,
    /// What of it is to run.
    pub part: Part,
    /// Included files, in the order in which what they hold applies.
    pub(super) included: Vec<(Arc<SourceFile>, Spec)>,
    /// The files of `workload file '...'`, by what the spec calls them.
    pub(super) workload_files: BTreeMap<String, Arc<SourceFile>>,
}

impl Loaded {
    /// The titles of its scenarios and of its permutations, also where it has all there are. Of more than can be run, none.
    pub fn titles(&self) -> Vec<String> {
        let scenarios = self.spec.scenarios.iter().map(scenario_title);
        scenarios.chain(self.permutations().iter().map(|steps| title(steps))).collect()
    }

    /// The steps of its permutations, also where it has all there are. Of more than can be run, none.
    pub(super) fn permutations(&self) -> Vec<Vec<PermutedStep>> {
        let has_all = self.spec.permutations.is_empty() && !self.spec.sessions.is_empty();
        match has_all {
            true => interleaved(&self.spec, MOST).unwrap_or_default(),
            false => self.spec.permutations.iter().map(|permutation| permutation.steps.clone()).collect(),
        }
    }

    /// Traces its allocations so, whatever it says. What its golden has was found in its own way, so there is none.
    pub fn trace(&mut self, trace: Trace) {
        self.spec.trace = Some(Spanned { value: trace, span: 0..0 });
        self.spec.golden = Some(Spanned { value: Policy::None, span: 0..0 });
        let is_off = trace == Trace::Off;
        if is_off {
            // What is not traced is not guarded.
            (self.spec.guard, self.spec.guard_sample) = (None, None);
        }
        for scenario in &mut self.spec.scenarios {
            scenario.trace = None;
            if is_off {
                (scenario.guard, scenario.guard_sample) = (None, None);
            }
        }
    }

    /// The spec and all files that it refers to.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let sources = self.parts().map(|(source, _)| source);
        sources.chain(self.workload_files.values()).map(|source| source.path.as_path())
    }

    /// The extensions and libraries that it names.
    pub fn extensions(&self) -> Vec<&str> {
        let named = self.parts().flat_map(|(_, spec)| {
            let extensions = spec.extensions.iter().map(|extension| &extension.name);
            extensions.chain(&spec.preload_first).chain(&spec.preload).chain(&spec.targets)
        });
        named.map(|name| name.value.as_str()).collect()
    }

    /// The included files and then the spec itself.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Arc<SourceFile>, &Spec)> {
        let included = self.included.iter().map(|(source, spec)| (source, spec));
        included.chain(std::iter::once((&self.source, &self.spec)))
    }

    /// What the spec says and probably does not mean. `is_missed`: there is a schedule, and it does not have it.
    pub fn warnings(&self, is_missed: bool) -> Vec<Warning> {
        let included = self.included.iter().flat_map(|(_, spec)| spec.setup.iter().chain(&spec.teardown));
        let included = included.map(|block| block.text.as_str());
        let workloads = self.workload_files.values().map(|file| file.text.as_str());
        let elsewhere: Vec<&str> = included.chain(workloads).collect();
        let name = is_missed.then_some(self.name.as_str());
        lint(&self.source.text, &self.spec, Surroundings { elsewhere: &elsewhere, not_scheduled: name })
    }
}

/// Reads a spec.
///
/// # Errors
///
/// Everything that is wrong with the file and with those it refers to. A file that cannot be read is one of the
/// problems.
pub fn load(name: &str, path: &Path) -> Result<Loaded, Vec<Problem>> {
    match SourceFile::read(path) {
        Ok(source) => load_source(name, source),
        Err(error) => {
            let source = Arc::new(SourceFile::new(path, ""));
            Err(vec![Problem::new(&source, Diagnostic::new(0..0, format!("could not read the file: {error}")))])
        }
    }
}

/// The same for a spec that has been read.
///
/// # Errors
///
/// As above.
pub fn load_source(name: &str, source: SourceFile) -> Result<Loaded, Vec<Problem>> {
    let source = Arc::new(source);
    panicked::trial("load", name);
    let spec = parse(&source).map_err(|diagnostics| located(&source, diagnostics))?;
    let (mut included, mut problems) = (Vec::new(), Vec::new());
    for include in &spec.includes {
        match read_include(&source, include) {
            Ok(part) => included.push(part),
            Err(found) => problems.extend(found),
        }
    }

    let mut workload_files = BTreeMap::new();
    for file in
        spec.scenarios.iter().flat_map(|scenario| &scenario.workloads).filter_map(|workload| match &workload.source {
            WorkloadSource::File(file) => Some(file),
            WorkloadSource::Inline(_) => None,
        })
    {
        match read_beside(&source, file) {
            Ok(read) => {
                let read = Arc::new(read);
                problems.extend(located(&read, copies_from_client(&read.text, 0).collect()));
                workload_files.insert(file.value.clone(), read);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Loaded { name: name.to_owned(), source, spec, part: Part::default(), included, workload_files })
}

fn located(source: &Arc<SourceFile>, diagnostics: Vec<Diagnostic>) -> Vec<Problem> {
    diagnostics.into_iter().map(|diagnostic| Problem::new(source, diagnostic)).collect()
}

/// Reads a file that `source` names.
fn read_beside(source: &Arc<SourceFile>, name: &Spanned<String>) -> Result<SourceFile, Problem> {
    let path = source.path.parent().unwrap_or(Path::new("")).join(&name.value);
    SourceFile::read(&path).map_err(|error| {
        let message = format!("could not read \"{}\": {error}", path.display());
        let hint = "a file is looked for in the directory of the spec that names it".to_owned();
        Problem::new(source, Diagnostic::new(name.span.clone(), message).with_hint(hint))
    })
}

/// Reads an included file, which cannot include others.
fn read_include(source: &Arc<SourceFile>, name: &Spanned<String>) -> Result<(Arc<SourceFile>, Spec), Vec<Problem>> {
    let read = Arc::new(read_beside(source, name).map_err(|problem| vec![problem])?);
    let spec = parse_include(&read).map_err(|diagnostics| located(&read, diagnostics))?;
    Ok((read, spec))
}
