//! Where it is reported what came of hunts, when they are over.

use std::io::Write;
use std::str::FromStr;

use super::super::complaint::Complaint;
use super::super::output::{Files, ReportFile, Stdout, format_and_file};
use crate::hunt::record::HuntRecord;
use crate::report::hunt::{HuntFormat, HuntReport};

/// `--report FORMAT[=FILE]`
#[derive(Debug, Clone)]
pub(super) struct ReportTo {
    format: HuntFormat,
    file: Option<String>,
}

impl FromStr for ReportTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format_and_file(text, HuntFormat::ALL.into_iter()).map(|(format, file)| ReportTo { format, file })
    }
}

/// The reports that are wanted.
pub(super) struct Outlet {
    reports: Vec<(HuntFormat, Option<ReportFile>)>,
    files: Files,
}

impl Outlet {
    /// Opens all files, before anything is hunted in vain.
    pub(super) fn open(wanted: &[ReportTo]) -> Result<Self, Complaint> {
        let mut files = Files::default();
        let begin = |one: &ReportTo| {
            let file = one.file.as_ref().map(|name| files.begin(name)).transpose()?;
            Ok((one.format, file))
        };
        let reports = wanted.iter().map(begin).collect::<Result<_, Complaint>>()?;
        Ok(Outlet { reports, files })
    }

    /// Whether a report goes where otherwise is told what is found.
    pub(super) fn has_stdout(&self) -> bool {
        self.reports.iter().any(|(_, file)| file.is_none())
    }

    /// Writes all of them. Whatever fails fails alone.
    pub(super) fn finish(self, hunts: Vec<HuntRecord>, error: Option<&Complaint>) -> Vec<Complaint> {
        let why = error.map(Complaint::not_run);
        let report = HuntReport::of(hunts, why.as_ref());
        let mut unwritten = Vec::new();
        for (format, file) in self.reports {
            let written = match file {
                Some(mut file) => format.write(&mut file, &report),
                None => format.write(&mut Stdout::new() as &mut dyn Write, &report),
            };
            unwritten.extend(written.err().map(Complaint::stdout));
        }
        unwritten.extend(self.files.finish());
        unwritten
    }
}
