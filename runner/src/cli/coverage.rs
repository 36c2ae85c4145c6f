//! `--coverage`: what of a run is looked at, and where it is told.

use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

use super::complaint::{Complaint, note};
use super::output::{Files, ReportFile, Stdout};
use crate::atomic;
use crate::config::Config;
use crate::coverage::{Coverage, CoverageRecord, lcov, text};
use crate::exec::{Installed, Members};
use crate::places::{Does, Library, Planted};
use crate::plan::Case;
use crate::server::{PlacesDirectory, RunDirectory};

/// The file in `results/`.
const FILE_NAME: &str = "coverage.json";

/// `--coverage[=FORMAT:FILE]`
#[derive(Debug, Clone)]
pub(super) enum CoverageTo {
    /// The text that is told in any case.
    Told,
    /// A file for genhtml and editors.
    Lcov(String),
    /// A file for programs.
    Json(String),
}

impl FromStr for CoverageTo {
    type Err = String;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        match value.split_once(':') {
            None if value.is_empty() => Ok(CoverageTo::Told),
            Some(("lcov", file)) if !file.is_empty() => Ok(CoverageTo::Lcov(file.to_owned())),
            Some(("json", file)) if !file.is_empty() => Ok(CoverageTo::Json(file.to_owned())),
            _ => Err("write --coverage, --coverage=lcov:FILE or --coverage=json:FILE".to_owned()),
        }
    }
}

/// Where coverage goes, opened before anything is run in vain.
pub(super) struct CoverageOutlet {
    wanted: Vec<(CoverageTo, Option<ReportFile>)>,
    files: Files,
}

impl CoverageOutlet {
    /// Opens the files; none where nobody asks.
    pub(super) fn open(wanted: &[CoverageTo]) -> Result<Option<Self>, Complaint> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut files = Files::default();
        let open = |to: &CoverageTo| {
            let file = match to {
                CoverageTo::Told => None,
                CoverageTo::Lcov(file) | CoverageTo::Json(file) => Some(files.begin(file)?),
            };
            Ok((to.clone(), file))
        };
        let wanted = wanted.iter().map(open).collect::<Result<_, Complaint>>()?;
        Ok(Some(CoverageOutlet { wanted, files }))
    }

    /// Writes all of it. Whatever fails fails alone.
    fn write(self, coverage: &Coverage, record: &CoverageRecord) -> Vec<Complaint> {
        let from = std::env::current_dir().unwrap_or_default();
        let mut unwritten = Vec::new();
        for (to, file) in self.wanted {
            let text = match to {
                CoverageTo::Told => continue,
                CoverageTo::Lcov(_) => lcov(coverage, &from),
                CoverageTo::Json(_) => json(record),
            };
            let written = match file {
                Some(mut file) => file.write_all(text.as_bytes()),
                None => Stdout::new().write_all(text.as_bytes()),
            };
            unwritten.extend(written.err().map(Complaint::stdout));
        }
        unwritten.extend(self.files.finish());
        unwritten
    }
}

fn json(record: &CoverageRecord) -> String {
    serde_json::to_string_pretty(record).expect("a record is JSON") + "\n"
}

/// What is looked at while a run goes on.
pub(super) struct Looking {
    servers: Vec<(Vec<Library>, PlacesDirectory)>,
    members: Arc<Members>,
}

impl Looking {
    /// Reads the libraries of the cases' extensions, and has servers look at their places.
    pub(super) fn begin(installed: &mut [Installed], cases: &[Case], run: &RunDirectory) -> Result<Self, Complaint> {
        let members = Arc::new(Members::default());
        let mut servers = Vec::new();
        for (position, installed) in installed.iter_mut().enumerate() {
            let here = cases.iter().filter(|case| case.installation == position);
            let libraries = libraries(installed, here);
            let planted =
                libraries.iter().map(|library| Planted::new(library, |place| place.does() == Does::Allocates, None));
            let directory = PlacesDirectory::create(run, planted.collect())?;
            installed.stage.look_at(directory.path());
            installed.members = Some(Arc::clone(&members));
            servers.push((libraries, directory));
        }
        Ok(Looking { servers, members })
    }

    /// Says what was reached, and whether that is as much as `mcspec.toml` asks for, with what could not be written.
    pub(super) fn end(self, outlet: CoverageOutlet, config: &Config) -> (bool, Vec<Complaint>) {
        let mut coverage = Coverage::default();
        for (libraries, directory) in &self.servers {
            for (name, reached) in directory.reached() {
                libraries
                    .iter()
                    .filter(|library| library.name == name)
                    .for_each(|library| coverage.add(library, &reached));
            }
        }
        coverage.of_functions(self.members.all());
        let least = config.coverage.least;
        let record = CoverageRecord::new(&coverage, least);
        text(&coverage).iter().for_each(|line| note(&format!("coverage: {line}")));
        if let Some(least) = least.filter(|_| !record.holds) {
            note(&format!("error: coverage is less than {least} %, as [coverage] of mcspec.toml asks for"));
        }
        let path = config.project.results.join(FILE_NAME);
        let written = atomic::write(&path, json(&record).as_bytes())
            .map_err(|error| Complaint::file(&path.display().to_string(), error));
        let unwritten = written.err().into_iter().chain(outlet.write(&coverage, &record)).collect();
        (record.holds, unwritten)
    }
}

/// The libraries that are looked at: those that extensions have brought, and those that cases name.
pub(super) fn libraries<'c>(installed: &Installed, cases: impl Iterator<Item = &'c Case>) -> Vec<Library> {
    let mut names: Vec<&str> = Vec::new();
    for case in cases {
        names.extend(case.extensions.iter().map(|extension| extension.name.value.as_str()));
        names.extend(case.targets.iter().map(String::as_str));
        names.extend(case.preloaded().map(String::as_str));
    }
    let mut libraries = Vec::new();
    for path in installed.stage.libraries_of_extensions(&names) {
        match Library::read(&path) {
            Ok(library) => libraries.push(library),
            Err(why) => note(&format!("warning: \"{}\" is not looked at: {why}", path.display())),
        }
    }
    libraries
}
