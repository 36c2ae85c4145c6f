//! `mcspec run --transcript`

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::complaint::Complaint;
use crate::config::Config;
use crate::exec::Installed;
use crate::exec::failure::{Cause, Failure};
use crate::exec::outcome::Outcome;
use crate::golden::GoldenError;
use crate::judge::{Fault, Status, Verdict, interrupted, without_running};
use crate::plan::{Case, Environment};
use crate::report::{Reported, Reports};
use crate::results::{Axes, remove_index, write};
use crate::run::InOrder;
use crate::transcript::{Compared, Transcribed, compare, run as transcribe, unified};

/// isolationtester's time for a step, in seconds, which PGISOLATIONTIMEOUT changes (isolationtester.c).
const STEP_SECONDS: u64 = 300;

#[derive(Debug, Args)]
pub(super) struct Transcript {
    /// Run isolation specs as isolationtester does, without checking memory, and compare what it would print
    #[arg(long, conflicts_with_all = ["server", "repeat", "failed"])]
    transcript: bool,

    /// Where the expected transcripts are; default: "expected" of mcspec.toml
    #[arg(long, value_name = "DIR", requires = "transcript")]
    expected: Option<PathBuf>,
}

impl Transcript {
    /// Whether transcripts are asked for.
    pub(super) fn is_wanted(&self) -> bool {
        self.transcript
    }

    /// Runs the cases and compares their transcripts.
    pub(super) fn run(
        &self,
        cases: &[Case],
        environments: &[Environment],
        installed: &[Installed],
        jobs: usize,
        mut reports: Reports,
        config: &Config,
    ) -> Result<(Option<Reported>, Vec<Complaint>), Complaint> {
        let started = Instant::now();
        let results = &config.project.results;
        // What is there is no longer what the last run found.
        remove_index(results)?;
        let expected = self.expected.as_ref().unwrap_or(&config.project.expected);
        let seconds = std::env::var("PGISOLATIONTIMEOUT").ok().and_then(|text| text.parse().ok());
        let limit = Duration::from_secs(seconds.unwrap_or(STEP_SECONDS));
        let mut differences = vec![String::new(); cases.len()];
        // That a file cannot be written is no reason to stop, nor a fault of a spec.
        let mut unwritten = Vec::new();
        let mut put = |path: &Path, text: &str| unwritten.extend(write(path, text).err().map(Complaint::from));
        let mut ended = InOrder::default();
        let (done, received) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let done = done;
                transcribe(cases, installed, jobs, limit, &done);
            });
            for transcribed in received {
                let position = transcribed.case;
                let case = &cases[position];
                let environment = &environments[case.installation];
                let (verdict, difference) = verdict(case, environment, transcribed, expected, results, &mut put);
                differences[position] = difference;
                ended.put(position, verdict);
                while let Some((case, verdict)) = ended.take() {
                    reports.verdict(&cases[case], &Outcome::default(), &verdict);
                }
            }
        });
        put(&results.join("regression.diffs"), &differences.concat());
        Ok((reports.end(started.elapsed()), unwritten))
    }
}

/// Has the transcript written and compares it. With the verdict comes how it differs.
fn verdict(
    case: &Case,
    environment: &Environment,
    transcribed: Transcribed,
    expected: &Path,
    results: &Path,
    put: &mut impl FnMut(&Path, &str),
) -> (Verdict, String) {
    let axes =
        Axes { major: environment.major(), assertions: environment.assertions, arch: environment.arch.to_owned() };
    let mut verdict = without_running(case).unwrap_or(Verdict {
        status: Status::Passed,
        faults: Vec::new(),
        seen: Vec::new(),
        idle: Vec::new(),
        untraced: None,
        golden: None,
        axes: Some(axes),
        attempts: 1,
        repeats: None,
        unrecorded: Vec::new(),
        allowances: Vec::new(),
        notes: Vec::new(),
        elapsed: transcribed.elapsed,
    });
    let failed = |verdict, fault| Verdict { status: Status::Failed, faults: vec![fault], ..verdict };
    let text = match transcribed.text {
        _ if verdict.status != Status::Passed => return (verdict, String::new()),
        Err(Failure { cause: Cause::Interrupted { .. }, .. }) => return (interrupted(), String::new()),
        Ok(text) => text,
        Err(failure) => return (failed(verdict, Fault::Failure(failure)), String::new()),
    };
    let result = results.join(format!("{}.out", case.label));
    put(&result, &text);
    let path = match compare(expected, &case.name, &text) {
        Ok(Compared::Equal(path)) => {
            verdict.golden = Some(path);
            return (verdict, String::new());
        }
        Ok(Compared::Differs(path) | Compared::Missing(path)) => path,
        Err((path, error)) => {
            let fault = Fault::Golden(GoldenError::File { doing: "read", path, error });
            return (failed(verdict, fault), String::new());
        }
    };
    let difference = unified(&path, &result, &text);
    let fault = Fault::Transcript { expected: path, result, difference: difference.clone() };
    (failed(verdict, fault), difference)
}
