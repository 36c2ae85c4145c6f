//! A file system that is full, at every moment at which something is written: the project's, and the one for what runs need
//! for a while. And a limit for the size of files, which is met in the same places.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::statvfs::statvfs;
use serde_json::Value;
use tempfile::TempDir;

use crate::case::{Case, Choice};
use crate::cluster::Cluster;
use crate::interrupted::Passing;
use crate::project::{Ended, Project, end, open_directory};
use crate::traces::Before;

type Files = BTreeMap<String, Vec<u8>>;

const WAYS: [&str; 8] =
    ["bless", "fmt", "run", "temporary", "temporary", "bless with a limit", "fmt with a limit", "run with a limit"];

/// What is run where it takes a server.
const SPECS: &str =
    "specs/quiet.mcspec specs/leaky.mcspec --report tap --report json=report.json --report junit=report.xml";

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let passing = Passing::new(cluster);
    let disk = Disk::new(&passing.project);
    if let Err(why) = &disk.mount(500) {
        println!("{name}: without file systems that are full, for none may be mounted here: {why}");
    }
    choice.each(name, cluster.installation.version.major(), count, |case| fill(&disk, case));
}

/// A project whose goldens and specs are not as `bless` and `fmt` leave them, and what they make of it.
struct Disk<'a> {
    project: &'a Project,
    old: Files,
    new: Files,
    /// What the run has found whose goldens `bless` writes.
    results: Files,
    /// Where a small file system is mounted.
    place: TempDir,
}

/// A file system of so many bytes in which there is a copy of the project. It is mounted for those only who are let in, and is gone
/// with the process that holds it.
struct Mounted {
    holder: Child,
    place: PathBuf,
}

impl<'a> Disk<'a> {
    fn new(project: &'a Project) -> Self {
        let blessed = project.files();
        for name in blessed.keys() {
            let text = project.read(name);
            if name.ends_with(".out") {
                project.write(name, &text.replace("|WARNING|", "|INFO|"));
            } else if name.ends_with(".mcspec") {
                project.write(name, &text.replace("  workload", "      workload"));
            }
        }
        let old = project.files();
        let formatted = end(project.mcspec("fmt"));
        assert_eq!(formatted.code, 0, "{}", formatted.stderr);
        let mut new = project.files();
        new.extend(blessed.into_iter().filter(|(name, _)| name.ends_with(".out")));
        let files = fs::read_dir(project.path("results")).expect("it has run").flatten();
        let results = files
            .map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).expect("read")))
            .collect();
        let disk = Disk { project, old, new, results, place: open_directory() };
        disk.put_back();
        disk
    }

    /// Makes the project's files what they were, and what the last run has found.
    fn put_back(&self) {
        fs::remove_dir_all(self.project.path("results")).expect("removed");
        fs::create_dir(self.project.path("results")).expect("created");
        for (name, text) in &self.results {
            fs::write(self.project.path("results").join(name), text).expect("written");
        }
        for (name, text) in &self.old {
            fs::write(self.project.path(name), text).expect("written");
        }
    }

    /// Mounts a file system of so many pages and copies the project into it.
    fn mount(&self, pages: u64) -> Result<Mounted, String> {
        let place = self.place.path().to_owned();
        let script =
            "mount -t tmpfs -o size=$2k,mode=755 full \"$1\" && cp -a \"$3/.\" \"$1\" && echo ready && read line";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(&place).arg((pages * 4).to_string());
        command.arg(self.project.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.current_dir("/").spawn().expect("unshare, of util-linux");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut line).expect("read");
        if line == "ready\n" {
            return Ok(Mounted { holder, place });
        }
        let output = holder.wait_with_output().expect("it has ended");
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Mounted {
    /// The same place as seen from here.
    fn path(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.place.strip_prefix("/").expect("absolute")).join(name)
    }

    /// Leaves so many pages free.
    fn fill(&self, pages: u64) {
        let system = statvfs(&self.path("")).expect("a file system");
        let used = system.blocks_available().saturating_sub(pages);
        let filler = vec![b'x'; usize::try_from(used * system.fragment_size()).expect("a small one")];
        File::create(self.path("filler")).expect("created").write_all(&filler).expect("there was room");
    }

    /// A command of the runner inside, in the copy of the project.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--mount", "--target"]).arg(self.holder.id().to_string());
        inside.arg(format!("--wdns={}", self.place.display())).arg(command.get_program()).args(command.get_args());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The end of its input.
        self.holder.stdin = None;
        let _ = self.holder.wait();
    }
}

fn fill(disk: &Disk, case: &mut Case) {
    let before = Before::now(&[disk.project.temporary()]);
    match *case.pick(&WAYS) {
        way @ ("bless" | "fmt") => {
            case.tell(&format!("{way} on a file system with ever more room"));
            for pages in 0.. {
                let Ok(mounted) = disk.mount(500) else { return };
                mounted.fill(pages);
                let ended = end(mounted.inside(&disk.project.mcspec(way)));
                let now = files(&mounted.path(""));
                if disk.is_done(way, &now, &ended) {
                    break;
                }
            }
        }
        "run" => {
            let pages = case.below(60);
            case.tell(&format!("a run whose project has {pages} pages of room"));
            let Ok(mounted) = disk.mount(500) else { return };
            mounted.fill(pages);
            let ended = end(mounted.inside(&disk.project.command(SPECS)));
            let said = format!("{}\n{}", ended.stdout, ended.stderr);
            assert!([0, 1, 2].contains(&ended.code), "{said}");
            assert!(ended.code == 0 || said.contains("No space left on device") || said.contains("failed"), "{said}");
            disk.assert_not_written(&files(&mounted.path("")));
            assert_whole(&mounted.path(""));
        }
        "temporary" => {
            let pages = case.below(200) * case.below(200);
            case.tell(&format!("a run that has {pages} pages for a while"));
            let Ok(mounted) = disk.mount(500 + pages) else { return };
            mounted.fill(pages);
            let mut command = mounted.inside(&disk.project.command(SPECS));
            let temporary = mounted.path("temporary");
            fs::create_dir(&temporary).expect("there is room for a directory");
            command.env("TMPDIR", mounted.place.join("temporary")).current_dir(disk.project.path(""));
            let ended = end(command);
            let said = format!("{}\n{}", ended.stdout, ended.stderr);
            assert!([0, 1, 2].contains(&ended.code), "{said}");
            assert!(ended.code == 0 || said.contains("space"), "{said}");
            if said.contains("PANIC") {
                // A server that can write no WAL aborts, and leaves its shared memory.
                return;
            }
            let left: Vec<_> = fs::read_dir(&temporary).expect("there").flatten().map(|entry| entry.path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
        way => {
            let (command, most) = match way {
                "bless with a limit" => (disk.project.mcspec("bless"), 12_000),
                "fmt with a limit" => (disk.project.mcspec("fmt"), 6000),
                _ => (disk.project.command(SPECS), 20_000_000),
            };
            let limit = case.below(most);
            case.tell(&format!("{way} of {limit} bytes for each file"));
            let mut limited = Command::new("prlimit");
            limited.arg(format!("--fsize={limit}")).arg(command.get_program()).args(command.get_args());
            limited.current_dir(command.get_current_dir().expect("the project"));
            limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let ended = end(limited);
            let said = format!("{}\n{}", ended.stdout, ended.stderr);
            assert!([0, 1, 2].contains(&ended.code), "{said}");
            let now = disk.project.files();
            match way {
                "bless with a limit" => drop(disk.is_done("bless", &now, &ended)),
                "fmt with a limit" => drop(disk.is_done("fmt", &now, &ended)),
                _ => disk.assert_not_written(&now),
            }
            assert_whole(&disk.project.path(""));
            for report in ["report.json", "report.xml"] {
                let _ = fs::remove_file(disk.project.path(report));
            }
            disk.put_back();
        }
    }
    before.assert_nothing_left();
}

impl Disk<'_> {
    /// Fails unless each file is the old one or the new one, and says whether all are the new ones. Who has not done it says so.
    #[track_caller]
    fn is_done(&self, way: &str, now: &Files, ended: &Ended) -> bool {
        let said = format!("{}\n{}", ended.stdout, ended.stderr);
        let written = if way == "bless" { ".out" } else { ".mcspec" };
        assert_eq!(names(now), names(&self.old), "{said}");
        let mut is_done = true;
        for (name, text) in now {
            let is_new = name.ends_with(written) && *text == self.new[name];
            assert!(is_new || *text == self.old[name], "{name} is:\n{}\n{said}", String::from_utf8_lossy(text));
            is_done &= is_new || !name.ends_with(written);
        }
        assert_eq!(is_done, ended.code == 0, "{said}");
        is_done
    }

    /// Fails where a run has changed a file of the project.
    #[track_caller]
    fn assert_not_written(&self, now: &Files) {
        for (name, text) in &self.old {
            assert!(now[name] == *text, "{name} is:\n{}", String::from_utf8_lossy(&now[name]));
        }
        let others: Vec<&String> = now.keys().filter(|name| !self.old.contains_key(*name)).collect();
        assert!(others.iter().all(|name| ["report.json", "report.xml"].contains(&name.as_str())), "{others:?}");
    }
}

fn names(files: &Files) -> Vec<&String> {
    files.keys().collect()
}

/// Fails where a report or a result is half of one.
#[track_caller]
fn assert_whole(project: &std::path::Path) {
    let text = |path: PathBuf| fs::read_to_string(path).ok();
    if let Some(report) = text(project.join("report.json")) {
        assert!(serde_json::from_str::<Value>(&report).is_ok(), "report.json: {report}");
    }
    if let Some(report) = text(project.join("report.xml")) {
        assert!(report.ends_with("</testsuites>\n"), "report.xml: {report}");
    }
    for entry in fs::read_dir(project.join("results")).expect("results").flatten() {
        let result = text(entry.path()).expect("read");
        let is_json = entry.path().extension().is_some_and(|end| end == "json");
        assert!(!is_json || serde_json::from_str::<Value>(&result).is_ok(), "{}: {result}", entry.path().display());
    }
}

/// The files of a copy of the project, without what fills the file system.
fn files(copy: &std::path::Path) -> Files {
    let mut files = crate::project::files(copy);
    files.remove("filler");
    files
}
