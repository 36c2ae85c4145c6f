//! How `mcspec` ends.

use std::process::ExitCode;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// A spec failed.
    Failed,
    /// It could not run.
    CouldNotRun,
    /// The selection is empty.
    NothingSelected,
    /// mcspec itself has failed (sysexits.h, EX_SOFTWARE).
    Broken,
    /// A signal ended it: its number.
    Interrupted(u8),
    /// As the program that it has run: its exit status.
    As(u8),
}

impl Exit {
    /// Every way of ending.
    const ALL: [Exit; 6] =
        [Exit::Ok, Exit::Failed, Exit::CouldNotRun, Exit::NothingSelected, Exit::Broken, Exit::Interrupted(2)];

    /// How a process ends because of a signal.
    pub(super) fn by(signal: i32) -> Self {
        Exit::Interrupted(u8::try_from(signal).unwrap_or_default())
    }

    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::CouldNotRun => 2,
            Exit::NothingSelected => 4,
            Exit::Broken => 70,
            Exit::Interrupted(signal) => 128 + signal,
            Exit::As(status) => status,
        }
    }

    /// What the number means.
    const fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "every spec passed, or was skipped, or failed as its xfail says",
            Exit::Failed => "a spec failed, or results differ from goldens, or could not be blessed",
            Exit::CouldNotRun => "bad input, no server, no engine, or a spec that asks for what is not supported",
            Exit::NothingSelected => "no spec was selected",
            Exit::Broken => "an internal error of mcspec, reported beside what became of everything else",
            Exit::As(_) => "the exit status of the command that \"mcspec exec\" has run, where that has failed",
            Exit::Interrupted(_) => "interrupted (143 by SIGTERM, 129 by SIGHUP); servers and temporary files are gone",
        }
    }

    /// All of them, with what they mean.
    pub(super) fn all() -> [(u8, &'static str); 6] {
        Exit::ALL.map(|exit| (exit.code(), exit.meaning()))
    }

    /// All of them, for `--help`.
    pub(super) fn help() -> String {
        let line = |(code, meaning): (u8, &str)| format!("\n  {code:>3}  {meaning}");
        format!("Exit codes:{}", Exit::all().map(line).concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
