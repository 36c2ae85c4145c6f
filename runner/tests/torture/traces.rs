//! What a server or a run may leave behind on the machine: the one place that knows.
//!
//! What is ours is known by where it is: a process by its directory and its environment, a file by the directory that it is
//! in. Shared memory says no such thing, and is looked at by whether anybody still has it: what nobody has was left behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long what is under way may take to go.
const PATIENCE: Duration = Duration::from_secs(20);

/// What there was, and where to look for what is left.
pub(crate) struct Before {
    places: Vec<PathBuf>,
    there: BTreeSet<String>,
}

impl Before {
    /// As it is now, in these directories and on the machine.
    pub(crate) fn now(places: &[&Path]) -> Self {
        let places: Vec<PathBuf> = places.iter().map(|place| (*place).to_owned()).collect();
        let there = traces(&places).collect();
        Before { places, there }
    }

    /// Fails where there is more than before.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let left = || -> Vec<String> { traces(&self.places).filter(|trace| !self.there.contains(trace)).collect() };
        let deadline = Instant::now() + PATIENCE;
        let mut still = left();
        while !still.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
            still = left();
        }
        assert!(still.is_empty(), "there is left:\n  {}", still.join("\n  "));
    }
}

fn traces(places: &[PathBuf]) -> impl Iterator<Item = String> {
    let mut found = processes(places);
    found.extend(places.iter().flat_map(|place| files(place)));
    found.extend(segments());
    found.extend(system_v());
    found.into_iter()
}

/// The numbers of all processes.
fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Processes that are in one of these directories, or in whose environment it is named: servers have the first, since they
/// write over the second, and compilers the second.
fn processes(places: &[PathBuf]) -> Vec<String> {
    let this = i32::try_from(std::process::id()).expect("a pid");
    let is_ours = |pid: i32| {
        let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        places.iter().any(|place| {
            let name = place.as_os_str().as_bytes();
            directory.starts_with(place) || environment.windows(name.len()).any(|part| part == name)
        })
    };
    let describe = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        format!("process {pid}: {}", String::from_utf8_lossy(&line).replace('\0', " ").trim_end())
    };
    pids().filter(|&pid| pid != this && is_ours(pid)).map(describe).collect()
}

/// What is in a directory. Logs of servers and copies of installations go with the directory.
fn files(place: &Path) -> Vec<String> {
    let stays = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        !name.ends_with(".log") && !name.starts_with("pg")
    };
    let entries = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(stays).map(|path| path.display().to_string()).collect()
}

/// Segments in /dev/shm that no process has mapped.
fn segments() -> Vec<String> {
    let named =
        |line: &str| line.split_once("/dev/shm/").map(|(_, name)| name.trim_end_matches(" (deleted)").to_owned());
    let there: Vec<String> = fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("PostgreSQL."))
        .collect();
    let mapped: BTreeSet<String> = pids()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/maps")).ok())
        .flat_map(|maps| maps.lines().filter_map(named).collect::<Vec<_>>())
        .collect();
    there.into_iter().filter(|name| !mapped.contains(name)).map(|name| format!("/dev/shm/{name}")).collect()
}

/// System V segments that nobody is attached to. A postmaster has one for as long as it runs (sysv_shmem.c).
fn system_v() -> Vec<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default();
    let column = |name: &str| header.iter().position(|word| *word == name).expect("a column of /proc/sysvipc/shm");
    let nobody = |row: &Vec<&str>| row[column("nattch")] == "0";
    lines.filter(nobody).map(|row| format!("System V segment {}", row[column("shmid")])).collect()
}
