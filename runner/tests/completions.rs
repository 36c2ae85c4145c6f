//! What shells complete: in the shells themselves, as far as they are there.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{OpenptyResult, Winsize, openpty};
use tempfile::TempDir;

/// A project with specs, tags, an extension and results.
fn project() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let spec = |tags: &str| format!("title 'on {tags}'\ntags {tags}\nscenario window\n  workload {{ SELECT 1 }}\n");
    for (name, text) in [
        ("mcspec.toml", "[extension.my_ext]\n".to_owned()),
        ("schedule", "test: knn_index\n".to_owned()),
        ("specs/knn_index.mcspec", spec("index, slow_one")),
        ("specs/knn_scan.mcspec", spec("scan")),
        ("specs/sub/other.mcspec", spec("scan")),
        ("specs/parts.mcspec", PARTS.to_owned()),
        ("specs/broken.mcspec", "scenari".to_owned()),
        ("results/run.json", r#"{"format": 1, "ended": 1, "cases": ["knn_scan@pg15", "knn_scan@pg18"]}"#.to_owned()),
    ] {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// Scenarios by all that names them, and a permutation.
const PARTS: &str = "scenario growth_benchmark lookup\n  workload { SELECT 1 }\nscenario growth_benchmark load\n  workload { SELECT 1 }\n\
    scenario window \"bad search\"\n  workload { SELECT 1 }\nscenario window\n  workload { SELECT 1 }\n\
    session s\nstep first { SELECT 1 }\nstep second { SELECT 1 }\npermutation first second\n";

/// What is typed, and what has to be among that which is offered, and what must not.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("mcspec ex", &["explain", "exec"], &["run", "man"]),
    ("mcspec run kn", &["knn_index", "knn_scan"], &["schedule", "sub/other"]),
    ("mcspec run sch", &["schedule"], &["knn_scan"]),
    ("mcspec run br", &["broken"], &[]),
    ("mcspec run parts/lo", &["parts/lookup", "parts/load"], &["parts/window", "parts"]),
    ("mcspec run parts/wi", &["parts/window"], &["parts/lookup"]),
    ("mcspec run specs/parts.mcspec/loo", &["specs/parts.mcspec/lookup"], &["specs/parts.mcspec/load"]),
    ("mcspec list sub/other/w", &["sub/other/window"], &["sub/other"]),
    ("mcspec diff parts/loo", &["parts/lookup"], &["parts/load"]),
    ("mcspec run specs/knn_i", &["specs/knn_index.mcspec"], &["specs/knn_scan.mcspec"]),
    ("mcspec list -t s", &["scan", "slow_one"], &["index"]),
    ("mcspec run --report gi", &["github"], &["junit"]),
    ("mcspec run --pg 1", &["15", "16", "17", "18"], &["14"]),
    ("mcspec run --dry", &["--dry-run"], &["--jobs"]),
    ("mcspec run --color al", &["always"], &["never"]),
    ("mcspec bless kn", &["knn_scan"], &["knn_index", "knn_scan@pg15"]),
    ("mcspec check specs/knn_s", &["specs/knn_scan.mcspec"], &["knn_scan"]),
    ("mcspec run --target my", &["my_ext"], &[]),
    ("mcspec explain W01", &["W010", "W013"], &["W001"]),
    ("mcspec explain ctx", &["ctx_bloat"], &["context_leak"]),
    ("mcspec explain query", &["query_peak", "query_bloat"], &[]),
    ("mcspec help rev", &["review"], &["run"]),
    ("mcspec completions f", &["fish"], &["bash"]),
];

/// A shell in the project that finds mcspec in PATH; none where there is no such shell.
fn shell(program: &str, project: &Path) -> Option<Command> {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().ok()?;
    let mut command = Command::new(program);
    let beside = Path::new(env!("CARGO_BIN_EXE_mcspec")).parent().unwrap();
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").unwrap());
    command.current_dir(project).env("PATH", path).env("HOME", project).env("TERM", "dumb");
    Some(command)
}

fn offered(command: &mut Command) -> Vec<String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command:?}");
    // fish has what it means behind a tab.
    let word = |line: &str| line.split('\t').next().unwrap().trim().to_owned();
    String::from_utf8(output.stdout).unwrap().lines().map(word).collect()
}

fn holds(line: &str, offered: &[String], expected: &[&str], unexpected: &[&str]) {
    let has = |word: &&&str| offered.iter().any(|offered| offered == **word);
    assert!(expected.iter().all(|word| has(&word)), "{line}: {offered:?}");
    assert!(!unexpected.iter().any(|word| has(&word)), "{line}: {offered:?}");
}

#[test]
fn bash() {
    let project = project();
    for (line, expected, unexpected) in TABLE {
        let Some(mut bash) = shell("bash", project.path()) else { return };
        let words: Vec<&str> = line.split(' ').collect();
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        // As readline calls it (bash(1), Programmable Completion), with the function that is registered for the command.
        let script = format!(
            "source <(mcspec completions bash)\n\
             COMP_LINE='{line}' COMP_POINT={} COMP_TYPE=9 COMP_CWORD={} COMP_WORDS=({line})\n\
             function=$(complete -p mcspec | sed 's/.* -F \\([^ ]*\\) .*/\\1/')\n\
             $function mcspec '{last}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            line.len(),
            words.len() - 1
        );
        holds(line, &offered(bash.args(["--norc", "-c"]).arg(script)), expected, unexpected);
    }
}

#[test]
fn fish() {
    let project = project();
    for (line, expected, unexpected) in TABLE {
        let Some(mut fish) = shell("fish", project.path()) else { return };
        let script = format!("mcspec completions fish | source; complete -C '{line}'");
        holds(line, &offered(fish.args(["--no-config", "-c"]).arg(script)), expected, unexpected);
    }
}

/// zsh completes for whoever types: on a terminal.
#[test]
fn zsh() {
    let project = project();
    let Some(mut zsh) = shell("zsh", project.path()) else { return };
    let size = Winsize { ws_row: 60, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
    zsh.args(["-f", "-i"]).env("PS1", "READY").stdin(slave.try_clone().unwrap());
    let mut child = zsh.stdout(slave.try_clone().unwrap()).stderr(slave).spawn().unwrap();
    drop(zsh);
    let mut terminal = File::from(master);
    let (sender, shown) = channel();
    let mut reader = terminal.try_clone().unwrap();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut bytes) {
            let _ = sender.send(String::from_utf8_lossy(&bytes[..n]).into_owned());
        }
    });
    let until = |has: &dyn Fn(&str) -> bool| {
        let (mut text, started) = (String::new(), Instant::now());
        while !has(&text) {
            assert!(started.elapsed() < Duration::from_secs(60), "{text}");
            text += &shown.recv_timeout(Duration::from_millis(200)).unwrap_or_default();
        }
        // What comes with it.
        while let Ok(more) = shown.recv_timeout(Duration::from_millis(300)) {
            text += &more;
        }
        text
    };
    let mut typed = |text: &str| terminal.write_all(text.as_bytes()).unwrap();
    until(&|text| text.contains("READY"));
    typed(
        "autoload -U compinit && compinit -u -D && source <(mcspec completions zsh); unsetopt beep listambiguous; echo LOAD''ED\n",
    );
    until(&|text| text.contains("LOADED"));
    for (line, expected, unexpected) in TABLE {
        typed(&format!("{line}\t"));
        let text = until(&|text| expected.iter().all(|word| text.contains(word)));
        assert!(!unexpected.iter().any(|word| text.split_whitespace().any(|shown| shown == *word)), "{line}: {text}");
        // Clears the line and the list.
        typed("\x15\x0c");
        until(&|text| text.contains("READY"));
    }
    typed("exit\n");
    child.wait().unwrap();
}

#[test]
fn nothing_is_said_where_nothing_is_known() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("mcspec.toml"), "[projct]\n").unwrap();
    for line in ["mcspec run kn", "mcspec list -t s", "mcspec bless x", "mcspec nonsense --x"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
        let words: Vec<&str> = line.split(' ').collect();
        command.current_dir(elsewhere.path()).env("MCSPEC_COMPLETE", "bash").arg("--").args(&words);
        let index = (words.len() - 1).to_string();
        assert_eq!(offered(command.env("_CLAP_COMPLETE_INDEX", index)), Vec::<String>::new(), "{line}");
    }
}
