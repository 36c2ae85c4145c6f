//! A program of the user's in the foreground.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use super::Frame;

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself, or by a signal.
    By(ExitStatus),
    /// It could not be started.
    NotStarted(io::Error),
}

impl Ended {
    /// As the shell has it in `$?`.
    pub fn code(&self) -> u8 {
        let code = match self {
            Ended::By(status) => status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1),
            Ended::NotStarted(error) if error.kind() == io::ErrorKind::NotFound => 127,
            Ended::NotStarted(_) => 126,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

/// Runs a program as the user's, with his standard input and output, and waits for its end; `attend` is told its process id, and
/// none when it has ended.
///
/// It is in the process group of this process, so that what the terminal sends reaches both.
pub fn run(frame: &Frame, command: &[OsString], attend: impl Fn(Option<u32>)) -> Ended {
    let [program, arguments @ ..] = command else {
        return Ended::NotStarted(io::ErrorKind::NotFound.into());
    };
    let mut command = Command::new(program);
    command.args(arguments);
    frame.prepare(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ended::NotStarted(error),
    };
    attend(Some(child.id()));
    let ended = child.wait();
    attend(None);
    ended.map_or_else(Ended::NotStarted, Ended::By)
}
