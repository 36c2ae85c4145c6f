//! A program of the user's in the foreground.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::Frame;
use crate::server::End;

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself, or by a signal.
    By(ExitStatus),
    /// It could not be started.
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

impl Ended {
    /// As the shell has it in `$?`.
    pub fn code(&self) -> u8 {
        let code = match self {
            Ended::By(status) => status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1),
            Ended::NotStarted { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
            Ended::NotStarted { .. } => 126,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

/// `the command ended with exit code 1`
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self {
            Ended::By(status) => status,
            Ended::NotStarted { program, error } => {
                return write!(f, "could not run \"{}\": {error}", program.display());
            }
        };
        let end = match (status.code(), status.signal()) {
            (Some(code), _) => End::Code(code),
            (None, Some(number)) => {
                let name = Signal::try_from(number).map_or("", Signal::as_str);
                End::Signal { number, name: name.to_owned() }
            }
            (None, None) => End::Other(status.to_string()),
        };
        write!(f, "the command {end}")
    }
}

/// Runs a program as the user's, with his standard input and output, and waits for its end; `attend` is told its process id, and
/// none when it has ended.
///
/// It is in the process group of this process, so that what the terminal sends reaches both.
pub fn run(frame: &Frame, command: &[OsString], attend: impl Fn(Option<u32>)) -> Ended {
    let program = command.first().map(PathBuf::from).unwrap_or_default();
    let ended = start(frame, command).and_then(|mut child| {
        attend(Some(child.id()));
        let ended = child.wait();
        attend(None);
        ended
    });
    ended.map_or_else(|error| Ended::NotStarted { program, error }, Ended::By)
}

fn start(frame: &Frame, command: &[OsString]) -> io::Result<Child> {
    let [program, arguments @ ..] = command else { return Err(io::ErrorKind::NotFound.into()) };
    let spawn = |program: &OsStr, before: &[&OsStr]| {
        let mut command = Command::new(program);
        command.args(before).args(arguments);
        frame.prepare(&mut command);
        command.spawn()
    };
    match spawn(program, &[]) {
        // A script that does not say what runs it: shells run it (POSIX, Command Search and Execution), as execvp(3) does.
        Err(error) if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
            spawn("/bin/sh".as_ref(), &["-c".as_ref(), "exec \"$0\" \"$@\"".as_ref(), program])
        }
        spawned => spawned,
    }
}
