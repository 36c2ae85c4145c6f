//! What mcspec says about itself: help, manual pages, explain, and in which color.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What runs in a directory without a project, with these variables.
fn mcspec(arguments: &[&str], directory: &Path, variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(variable);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn said(line: &str) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    mcspec(&line.split_whitespace().collect::<Vec<_>>(), directory.path(), &[])
}

/// The commands that `mcspec help` lists.
fn commands() -> Vec<String> {
    let (code, stdout, _) = said("help");
    assert_eq!(code, 0);
    let (_, list) = stdout.split_once("\nCommands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let name = |line: &str| line.strip_prefix("  ").and_then(|line| line.split(' ').next()).unwrap_or("").to_owned();
    list.lines().map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn help_of_a_command_is_what_its_option_says() {
    let commands = commands();
    assert!(commands.len() > 9 && commands.contains(&"help".to_owned()), "{commands:?}");
    for command in commands {
        assert_eq!(said(&format!("help {command}")), said(&format!("{command} --help")), "{command}");
    }
    assert_eq!(said("help"), said("--help"));
}

#[test]
fn help_knows_the_way_to_what_explain_knows() {
    for (word, said_of_it) in [
        ("ctx_bloat", "\"ctx_bloat\" is a check: \"mcspec explain ctx_bloat\""),
        ("w010", "\"W010\" is a warning of \"mcspec check\": \"mcspec explain W010\""),
        ("query_peak", "\"query_peak\" is a scenario: \"mcspec explain query_peak\""),
    ] {
        let (code, stdout, stderr) = said(&format!("help {word}"));
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert!(stdout.starts_with(said_of_it), "{stdout}");
    }
    for (line, hint) in [
        ("help rnu", "did you mean \"run\"?"),
        ("help ctx_blaot", "did you mean \"ctx_bloat\"?"),
        ("help nonsense", "\"mcspec help\" lists the commands"),
        ("help run schedule", "\"mcspec help\" lists the commands"),
        ("explain review", "it is a command: \"mcspec help review\""),
    ] {
        let (code, stdout, stderr) = said(line);
        assert_eq!((code, stdout.as_str()), (2, ""), "{line}");
        assert!(stderr.contains(&format!("mcspec: hint: {hint}\n")), "{line}\n{stderr}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("share/man/man1");
    let (code, stdout, stderr) = mcspec(&["man", pages.to_str().unwrap()], directory.path(), &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let names: Vec<String> = commands().iter().map(|command| format!("mcspec-{command}.1")).collect();
    for name in names.iter().map(String::as_str).chain(["mcspec.1"]) {
        let path = pages.join(name);
        assert!(stdout.lines().any(|line| Path::new(line) == path), "{stdout}");
        let text = fs::read_to_string(&path).unwrap();
        for section in ["SH NAME", "SH SYNOPSIS", "SH OPTIONS", "SH \"EXIT STATUS\"", "SH SEE ALSO"] {
            assert!(text.contains(&format!("\n.{section}\n")), "{name}: {section}\n{text}");
        }
        // Where there is a man, it has nothing to complain about.
        let rendered = Command::new("man").args(["--warnings", "-l"]).arg(&path).env("MANPAGER", "cat").output();
        if let Ok(output) = rendered {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        }
    }
}

#[test]
fn color_is_decided_in_one_place() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("x.mcspec"), "scenario window\n  workload { SELECT 1 }\n  expcet none\n").unwrap();
    let has_color = |arguments: &[&str], variables: &[(&str, &str)]| {
        let (_, stdout, stderr) = mcspec(arguments, directory.path(), variables);
        (stdout + &stderr).contains('\x1b')
    };
    // Errors in specs, in arguments, and what is no error.
    for command in [&["check", "x.mcspec"][..], &["rnu"], &["run", "--nonsense"], &["help", "run"], &["run", "--help"]]
    {
        for (option, variables, expected) in [
            ("", &[][..], false),
            ("--color=auto", &[], false),
            ("--color=always", &[], true),
            ("--color=always", &[("NO_COLOR", "1"), ("TERM", "dumb")], true),
            ("--color=never", &[("CLICOLOR_FORCE", "1")], false),
            ("", &[("CLICOLOR_FORCE", "1")], true),
            ("", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            ("", &[("CLICOLOR", "1")], false),
        ] {
            let arguments: Vec<&str> = command.iter().copied().chain((!option.is_empty()).then_some(option)).collect();
            assert_eq!(has_color(&arguments, variables), expected, "{arguments:?} {variables:?}");
        }
    }
    let (code, _, stderr) = mcspec(&["list", "--color", "blue"], directory.path(), &[]);
    assert!(code == 2 && stderr.contains("auto, always, never"), "{stderr}");
}
