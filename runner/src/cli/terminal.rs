//! A terminal that is asked for single keys.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Stdin, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use nix::unistd::read;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit::Exit;
use crate::atomic;

/// What begins the bytes of keys such as arrows.
const ESCAPE: u8 = 0x1b;

/// In place of a key, that there is none (`_POSIX_VDISABLE` of termios(3)).
const DISABLED: u8 = 0;

/// The terminal on the standard input, without line editing and echo. It is as it was before when this is dropped, and when
/// a signal ends the process.
pub(super) struct Keys {
    stdin: Stdin,
    before: Termios,
    typed: VecDeque<u8>,
}

impl Keys {
    /// Takes the terminal over; none if there is nobody to ask: input and output have to be a terminal.
    ///
    /// # Errors
    ///
    /// The terminal does not let itself be set.
    pub(super) fn open() -> io::Result<Option<Self>> {
        Self::take(true)
    }

    /// The same where somebody else sees to signals.
    ///
    /// # Errors
    ///
    /// The terminal does not let itself be set.
    pub(super) fn beside_signals() -> io::Result<Option<Self>> {
        Self::take(false)
    }

    fn take(sees_to_signals: bool) -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stdout().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        if sees_to_signals {
            restore_on_signals(before.clone())?;
        }
        let mut raw = before.clone();
        raw.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        // What these keys send would leave the terminal as it is now.
        raw.control_chars[SpecialCharacterIndices::VSUSP as usize] = DISABLED;
        raw.control_chars[SpecialCharacterIndices::VQUIT as usize] = DISABLED;
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(&stdin, SetArg::TCSANOW, &raw)?;
        Ok(Some(Keys { stdin, before, typed: VecDeque::new() }))
    }

    /// Waits that long for a key; none if there is none. Where the terminal is gone, that is Ctrl-D.
    pub(super) fn within(&mut self, time: Duration) -> io::Result<Option<u8>> {
        let mut asked = [PollFd::new(self.stdin.as_fd(), PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        match poll(&mut asked, limit) {
            _ if !self.typed.is_empty() => self.next(),
            Ok(0) | Err(Errno::EINTR) => Ok(None),
            Ok(_) => Ok(self.next()?.or(Some(0x04))),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for a key; none when the terminal is gone.
    pub(super) fn next(&mut self) -> io::Result<Option<u8>> {
        while self.typed.is_empty() {
            let mut bytes = [0; 64];
            match read(&self.stdin, &mut bytes) {
                Ok(0) => return Ok(None),
                // Letters in there are no keys of their own.
                Ok(_) if bytes[0] == ESCAPE => {}
                Ok(n) => self.typed.extend(&bytes[..n]),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.typed.pop_front())
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // There is nothing left to do about a failure.
        let _ = tcsetattr(&self.stdin, SetArg::TCSANOW, &self.before);
    }
}

fn restore_on_signals(before: Termios) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // There is nothing left to do about failures.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
            let _ = writeln!(io::stderr(), "\nmcspec: interrupted");
            atomic::exit(Exit::by(signal).code().into());
        }
    });
    Ok(())
}
