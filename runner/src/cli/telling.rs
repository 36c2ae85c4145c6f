//! What `mcspec exec` tells of what was seen.

use clap::Args;

use super::complaint::Complaint;
use super::output::ReportTo;
use super::prepare;
use super::served::Ready;
use crate::config::Config;
use crate::exec::outcome::ServerFacts;
use crate::golden::Directory;
use crate::observe::{Place, Wanted};
use crate::results::Axes;
use crate::run::record_of;

/// What is told, and how.
#[derive(Debug, Args)]
pub(super) struct Telling {
    /// Compare what is found with the golden of this name, which "mcspec bless NAME" writes; without it nothing is to be found
    #[arg(long, value_name = "NAME")]
    golden: Option<String>,

    /// Report growth from so many bytes on; default: any of a statement, and 8192 of several statements together
    #[arg(long, value_name = "BYTES")]
    min_bytes: Option<u64>,

    /// Report as pretty, tap, json, junit, github or markdown, also into a file; default: pretty on the standard error; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]")]
    pub(super) report: Vec<ReportTo>,

    /// Show only what went wrong
    #[arg(short, long)]
    pub(super) quiet: bool,
}

impl Telling {
    /// What is wanted of what is seen; `name` is that of the results where none is given.
    pub(super) fn wanted(&self, name: &str, ready: &Ready, config: &Config) -> Result<Wanted, Complaint> {
        Ok(Wanted {
            name: self.golden.clone().unwrap_or_else(|| name.to_owned()),
            targets: ready.options.targets.clone(),
            least: self.min_bytes,
            has_golden: self.golden.is_some(),
            are_all: true,
            allowances: prepare::allowances(config, prepare::today()?),
        })
    }
}

/// Where something of that name was seen, and its golden.
pub(super) fn place(config: &Config, ready: &Ready, name: &str) -> Place {
    let installation = ready.installed.stage.installation();
    let server = ServerFacts { version: installation.version.text.clone(), ..ServerFacts::default() };
    let axes = Axes {
        major: installation.version.major(),
        assertions: server.assertions,
        arch: std::env::consts::ARCH.to_owned(),
    };
    let record = record_of(&Directory::of(&config.project).path, name, &axes);
    Place { server, axes, record }
}
