//! How the files of an extension get into a staged server, in each of the ways of `build`.

use std::fs;
use std::path::{Path, PathBuf};

use mcspec::config::{Config, ExtensionSource};
use mcspec::server::{Installation, RunDirectory, ServerError, Stage};

/// The installation that tests are to run on.
fn original() -> Installation {
    let config = Config::load().expect("a valid mcspec.toml");
    let major = std::env::var("MCSPEC_TEST_PG").ok().and_then(|list| list.split_whitespace().next()?.parse().ok());
    Installation::find(major.as_slice(), &config).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

/// A project with some files.
struct Project {
    directory: tempfile::TempDir,
    run: RunDirectory,
}

impl Project {
    fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let project = Self { directory, run: RunDirectory::create().expect("a run directory") };
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.directory.path().join(name);
        fs::create_dir_all(file.parent().expect("a parent")).expect("created");
        fs::write(file, text).expect("written");
    }

    /// Stages the server with the extensions of that mcspec.toml.
    fn stage(&self, original: &Installation, toml: &str) -> Result<Stage, ServerError> {
        let config = Config::parse(toml, &self.directory.path().join("mcspec.toml")).expect("valid");
        let sources: Vec<ExtensionSource> = config.extensions.values().cloned().collect();
        Stage::build(original, &self.run, None, &sources)
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const CONTROL: &str = "default_version = '1.0'\n";

#[test]
fn what_a_command_installs_is_staged_as_it_is() {
    let original = original();
    let project = Project::with(&[
        ("x.control", CONTROL),
        ("build/CMakeCache.txt", "of another place"),
        ("build/src.txt", ""),
        ("keep/src.txt", ""),
    ]);
    let toml = r#"
[extension.x]
build = "command"
command = [
  "test ! -e build -a -e keep/src.txt",
  "mkdir -p \"$DESTDIR$(pg_config --pkglibdir)/decoders\" \"$DESTDIR$($PG_CONFIG --sharedir)/extension\" one",
  "cd one",
  "cp ../x.control \"$DESTDIR$($PG_CONFIG --sharedir)/extension/\"",
  "echo \"$CFLAGS|$CXXFLAGS\" > \"$DESTDIR$($PG_CONFIG --pkglibdir)/decoders/pgoutput.so\"",
  "echo direct > \"$($PG_CONFIG --pkglibdir)/direct.so\"",
]
"#;
    let stage = project.stage(&original, toml).unwrap_or_else(|error| panic!("{error}"));
    let staged = stage.installation();
    let flags = text(&staged.pkglib_dir.join("decoders/pgoutput.so"));
    for flags in flags.trim().split('|') {
        assert!(flags.starts_with("-O2 -g -ffile-prefix-map="), "{flags}");
    }
    assert_eq!(text(&staged.extension_dir().join("x.control")), CONTROL);
    assert_eq!(text(&staged.pkglib_dir.join("direct.so")), "direct\n");
    let own = |i: &Installation| fs::read(i.pkglib_dir.join("pgoutput.so")).expect("the server's own");
    assert_eq!(own(staged), own(&original));
    let mut left: Vec<_> =
        fs::read_dir(project.directory.path()).expect("read").flatten().map(|e| e.file_name()).collect();
    left.sort();
    assert_eq!(left, ["build", "keep", "x.control"]);
}

#[test]
fn a_command_that_fails_or_installs_nothing_says_so() {
    let original = original();
    let project = Project::with(&[]);
    let error = |command: &str| {
        let toml = format!("[extension.x]\nbuild = \"command\"\ncommand = {command}\n");
        project.stage(&original, &toml).expect_err("it cannot be staged").to_string()
    };
    let message = error("[\"echo before\", \"cat nothing\", \"echo behind\"]");
    assert!(
        message.starts_with("extension \"x\" does not build: the command failed with exit status: 1\n"),
        "{message}"
    );
    assert!(
        message.contains("before") && message.contains("+ cat nothing") && !message.contains("behind"),
        "{message}"
    );
    assert!(error("\"true\"").contains("has installed nothing"));
}

/// The directories that a server elsewhere has.
const ELSEWHERE: [(&str, &str); 4] = [
    ("opt/pg/share/postgresql/extension/x.control", CONTROL),
    ("opt/pg/share/postgresql/extension/x--1.0.sql", "-- one"),
    ("opt/pg/share/postgresql/tsearch_data/x.stop", "the"),
    ("opt/pg/lib/postgresql/sub/x.so", "library"),
];

#[test]
fn trees_are_taken_wherever_the_servers_directories_lie() {
    let original = original();
    let below = |prefix: &str, directory: &Path, file: &str| {
        format!("{prefix}{}/{file}", directory.strip_prefix("/").expect("absolute").display())
    };
    let of_this_server = [
        (below("packed/x-pg/", &original.extension_dir(), "x.control"), CONTROL),
        (below("packed/x-pg/", &original.share_dir, "tsearch_data/x.stop"), "the"),
        (below("packed/x-pg/", &original.pkglib_dir, "sub/x.so"), "library"),
    ];
    let of_this_server: Vec<_> = of_this_server.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let elsewhere = ELSEWHERE.map(|(name, text)| (format!("packed/{name}"), text));
    let elsewhere: Vec<_> = elsewhere.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    for files in [of_this_server, elsewhere] {
        let project = Project::with(&files);
        let toml = "[extension.x]\nbuild = \"files\"\ntree = \"packed\"\n";
        let stage = project.stage(&original, toml).unwrap_or_else(|error| panic!("{error}"));
        let staged = stage.installation();
        assert_eq!(text(&staged.extension_dir().join("x.control")), CONTROL);
        assert_eq!(text(&staged.share_dir.join("tsearch_data/x.stop")), "the");
        assert_eq!(text(&staged.pkglib_dir.join("sub/x.so")), "library");
        // By patterns the same.
        let toml = "[extension.x]\nbuild = \"files\"\nlibrary = \"packed/**/*.so\"\ncontrol = \"packed/**/*.control\"\nsql = []\n";
        let by_pattern = project.stage(&original, toml).unwrap_or_else(|error| panic!("{error}"));
        let found = walkdir::WalkDir::new(&by_pattern.installation().pkglib_dir).into_iter().flatten();
        assert_eq!(found.filter(|entry| entry.file_name() == "x.so").count(), 1);
    }
}

#[test]
fn patterns_keep_sub_folders() {
    let original = original();
    let project = Project::with(&[
        ("lib/x.so", "one"),
        ("lib/decoders/pgoutput.so", "two"),
        ("x.control", CONTROL),
        ("y.control", CONTROL),
    ]);
    let toml = "[extension.x]\nbuild = \"files\"\nlibrary = \"lib/**\"\ncontrol = \"*.control\"\nsql = []\n";
    let stage = project.stage(&original, toml).unwrap_or_else(|error| panic!("{error}"));
    let library = |name: &str| -> PathBuf { stage.installation().pkglib_dir.join(name) };
    assert_eq!(text(&library("x.so")), "one");
    assert_eq!(text(&library("decoders/pgoutput.so")), "two");
    assert!(fs::symlink_metadata(library("pgoutput.so")).expect("the server's own").is_symlink());
    assert!(stage.installation().extension_dir().join("y.control").is_file());

    let toml = "[extension.x]\nbuild = \"files\"\nlibrary = [\"lib/x.so\", \"lib/*/x.so\"]\nsql = []\n";
    project.write("lib/other/x.so", "three");
    let message = project.stage(&original, toml).expect_err("two of one name").to_string();
    assert!(message.contains("are both installed as \"x.so\""), "{message}");
}
