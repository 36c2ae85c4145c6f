//! Processes of this machine, as proc(5) tells of them: a server's, which are not this process's own children.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long a postmaster may take to write down that a process has ended.
const NOTED: Duration = Duration::from_secs(2);

/// State of a process, by a letter; none where there is none.
fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// When a process has started, in clock ticks since the system has (field 22 in proc_pid_stat(5)).
pub(super) fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Whether a process exists and is no zombie.
pub(crate) fn is_running(pid: i32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// Whether somebody has stopped a process (SIGSTOP), which does nothing then until it is told to go on.
pub(super) fn is_stopped(pid: i32) -> bool {
    matches!(state(pid), Some('T' | 't'))
}

/// What a process calls itself: `postgres: checkpointer`.
pub(super) fn title(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned()
}

/// Waits until a process has ended and its postmaster, which reports it, has nothing more to do. False if it still runs.
///
/// The postmaster reaps it first and writes to the log then (postmaster.c, process_pm_child_exit), in one go: once it sleeps
/// again it has done both.
pub(super) fn wait_ended(pid: i32, postmaster: i32, limit: Duration) -> bool {
    let has_ended = until(limit, || !is_running(pid));
    if has_ended {
        until(NOTED, || state(pid).is_none() && matches!(state(postmaster), None | Some('S' | 'Z' | 'X')));
    }
    has_ended
}

/// How long it is between two looks at something: at first less, for most does not take that long.
const PAUSE: Duration = Duration::from_millis(5);

/// Polls `done` until it holds or `limit` is over; returns whether it holds.
pub(super) fn until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    let deadline = started + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(pause(started.elapsed()).min(PAUSE));
    }
}

/// How long to wait before the next look at something that has been waited for so long: an eighth of that.
pub(super) fn pause(waited: Duration) -> Duration {
    (waited / 8).max(Duration::from_micros(300))
}

/// The children of a process, where the system tells.
pub(super) fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn a_child_is_seen_until_it_is_waited_for() {
        let this = i32::try_from(std::process::id()).expect("a pid");
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let pid = i32::try_from(child.id()).expect("a pid");
        assert!(is_running(pid));
        assert!(!wait_ended(pid, this, Duration::ZERO));
        assert!(!is_stopped(pid));
        kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("sent");
        assert!(until(NOTED, || is_stopped(pid)) && is_running(pid));
        child.kill().expect("killed");
        assert!(until(NOTED, || !is_running(pid)), "it is a zombie");
        child.wait().expect("waited for");
        assert!(wait_ended(pid, pid, Duration::ZERO));
    }
}
