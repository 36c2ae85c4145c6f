//! What a Makefile says of its regression tests, by make itself: what is written there may be computed in any way.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::layout;
use crate::language::SourceFile;

/// The variables that are asked for: those of pgxs.mk, and `SUBDIRS` of Makefile.global.
const VARIABLES: [&str; 9] = [
    "REGRESS",
    "REGRESS_OPTS",
    "ISOLATION",
    "ISOLATION_OPTS",
    "TAP_TESTS",
    "NO_INSTALLCHECK",
    "SUBDIRS",
    "EXTENSION",
    "PGXS",
];

/// How the names stand before the values in what make is let write.
const MARK: &str = "mcspec:";

/// The values, with variables and functions expanded, blanks and line ends as one blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: HashMap<String, String>,
}

impl Variables {
    fn parse(output: &str) -> Self {
        let values = output.lines().filter_map(|line| line.strip_prefix(MARK)?.split_once('='));
        Variables { values: values.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect() }
    }

    /// A value; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// A value that is a list.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.get(name).split_whitespace().map(str::to_owned).collect()
    }

    /// Whether pgxs.mk would do anything for `installcheck`.
    pub fn has_tests(&self) -> bool {
        !self.list("REGRESS").is_empty() || !self.list("ISOLATION").is_empty() || !self.get("TAP_TESTS").is_empty()
    }
}

/// The names under which make finds a Makefile, in its order.
const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// The directories whose Makefile is one of PGXS, or at the top any, from above to below.
pub(super) fn directories(top: &Path) -> Vec<PathBuf> {
    let is_one = |directory: &PathBuf| {
        let Some(file) = NAMES.iter().map(|name| top.join(directory).join(name)).find(|path| path.is_file()) else {
            return false;
        };
        let is_top = directory.as_os_str().is_empty();
        is_top || SourceFile::read(file).is_ok_and(|source| source.text.contains("PGXS"))
    };
    layout::directories(top).into_iter().filter(is_one).collect()
}

/// How make is called: for an installation, and with what the project gives it besides.
#[derive(Debug, Clone)]
pub struct Make {
    /// The `pg_config` of the installation.
    pub pg_config: PathBuf,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl Make {
    /// A command that runs make in a directory, which has to be a copy: a Makefile may do anything while it is read.
    pub fn command(&self, directory: &Path) -> Command {
        let mut make = Command::new("make");
        make.current_dir(directory)
            .arg("--no-print-directory")
            .arg(format!("PG_CONFIG={}", self.pg_config.display()))
            .args(["USE_PGXS=1", "with_llvm=no"])
            .args(&self.arguments)
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env_remove("MFLAGS")
            .env_remove("MAKEOVERRIDES")
            .env_remove("DESTDIR")
            .env("LC_ALL", "C");
        // Of those that do not take PG_CONFIG: the first in the path is the right one.
        if let Some(bin) = self.pg_config.parent() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let all = [bin.to_owned()].into_iter().chain(std::env::split_paths(&path));
            if let Ok(path) = std::env::join_paths(all) {
                make.env("PATH", path);
            }
        }
        make
    }

    /// Reads the variables of the Makefile in a directory.
    ///
    /// # Errors
    ///
    /// What make says, where it cannot read the Makefile.
    pub fn variables(&self, directory: &Path) -> Result<Variables, String> {
        // The recipe's text is expanded when all is read, whatever comes after `include $(PGXS)`.
        let show = format!(
            "mcspec-variables: ; $(foreach mcspec_name,{},$(info {MARK}$(mcspec_name)=$(strip $($(mcspec_name)))))@:",
            VARIABLES.join(" ")
        );
        let mut make = self.command(directory);
        make.arg("--silent").arg(format!("--eval={show}")).arg("mcspec-variables");
        let output = make.output().map_err(|error| format!("could not run make: {error}"))?;
        if output.status.success() {
            return Ok(Variables::parse(&String::from_utf8_lossy(&output.stdout)));
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(if said.is_empty() { format!("make: {}", output.status) } else { said })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(makefile: &str) -> Result<Variables, String> {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::write(directory.path().join("Makefile"), makefile).expect("written");
        fs::write(directory.path().join("b.sql"), "").expect("written");
        fs::write(directory.path().join("a.sql"), "").expect("written");
        Make { pg_config: "/nowhere/pg_config".into(), arguments: vec!["GIVEN=x".into()] }.variables(directory.path())
    }

    #[test]
    fn make_itself_says_what_the_variables_are() {
        let makefile = "\
all:
\tfalse
TESTS = $(sort $(wildcard *.sql))
REGRESS = setup \\
   $(patsubst %.sql,%,$(TESTS))
ifeq ($(USE_PGXS),1)
REGRESS += $(GIVEN)
endif
REGRESS_OPTS = --inputdir=test --load-extension=$(EXTENSION) --launcher='sh -c' --x=$$HOME
ISOLATION_OPTS := $(shell echo --dbname=iso)
# Read last.
EXTENSION = mine
";
        let variables = read(makefile).expect("make reads it");
        assert_eq!(variables.list("REGRESS"), ["setup", "a", "b", "x"]);
        assert_eq!(variables.get("REGRESS_OPTS"), "--inputdir=test --load-extension=mine --launcher='sh -c' --x=$HOME");
        assert_eq!(variables.get("ISOLATION_OPTS"), "--dbname=iso");
        assert_eq!(variables.get("TAP_TESTS"), "");
        assert!(variables.has_tests());
        assert!(!read("all:\n").expect("make reads it").has_tests());
    }

    #[test]
    fn what_make_cannot_read_it_says() {
        let said = read("include nowhere.mk\nREGRESS = x\n").expect_err("it is not there");
        assert!(said.contains("nowhere.mk"), "{said}");
        let said = read("$(error no server here)\n").expect_err("it ends");
        assert!(said.contains("no server here"), "{said}");
    }
}
