//! `scripts/setup.sh` for a user without privilege, on servers that lack libraries: all that is missing is named at once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A checkout with nothing in it but what set-up looks at. Programs in `bin` stand for those of the system.
struct Checkout(PathBuf);

impl Checkout {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&root);
        let checkout = Checkout(root);
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for script in ["setup.sh", "pg-config.sh"] {
            let text = fs::read_to_string(here.join("scripts").join(script)).unwrap();
            checkout.write(&format!("scripts/{script}"), &text);
        }
        checkout.write("tests/servers/libraries", "# the library and its package\nlibmissing_a.so.7 missing-a7\n");
        checkout.write("runner/tests/some.rs", "");
        checkout.write("specs/some.mcspec", "extension shapes\n");
        checkout.write("target/libclang/libclang.so", "");
        checkout.write("bin/id", "#!/bin/sh\necho 1000\n");
        checkout.write("bin/cargo", "#!/bin/sh\n[ \"$1\" = --version ] || touch was_fetched\n");
        checkout.takes_away(&["sudo", "ldconfig"]);
        checkout
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    fn takes_away(&self, programs: &[&str]) {
        for program in programs {
            self.write(&format!("bin/{program}"), "#!/bin/sh\nexit 1\n");
        }
    }

    /// An object that is linked with a library that is not there.
    fn link(&self, object: &str, library: &str) {
        let missing = self.0.join(library);
        let link = |output: &Path, arguments: &[&str]| {
            let mut gcc = Command::new("gcc");
            gcc.args(["-shared", "-nostdlib", "-Wl,--no-as-needed", "-x", "c", "/dev/null", "-x", "none", "-o"]);
            assert!(gcc.arg(output).args(arguments).status().unwrap().success());
        };
        link(&missing, &[&format!("-Wl,-soname,{library}")]);
        link(&self.0.join(object), &[missing.to_str().unwrap()]);
        fs::remove_file(missing).unwrap();
    }

    /// A server that was fetched, with an extension whose library has another name, and one that nothing uses.
    fn server(&self, major: u32) -> String {
        let server = format!("target/servers/{major}");
        for program in ["postgres", "initdb", "psql"] {
            self.write(&format!("{server}/bin/{program}"), "");
        }
        let config = "#!/bin/sh\necho \"$(dirname \"$0\")/../${1#--}\"\n";
        self.write(&format!("{server}/bin/pg_config"), config);
        self.write(&format!("{server}/includedir-server/postgres.h"), "");
        self.write(&format!("{server}/sharedir/extension/shapes.control"), "module_pathname = '$libdir/forms'\n");
        self.write(&format!("{server}/sharedir/extension/idle.control"), "module_pathname = '$libdir/idle'\n");
        self.write(&format!("{server}/pkglibdir/plain.so"), "");
        self.link(&format!("{server}/pkglibdir/idle.so"), "libmissing_idle.so.1");
        server
    }

    /// What set-up says, and whether it succeeds.
    fn set_up(&self, majors: &[&str]) -> (bool, String) {
        let path = format!("{}:/usr/bin:/bin", self.0.join("bin").display());
        let output = Command::new(self.0.join("scripts/setup.sh")).args(majors).env("PATH", path).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn libraries_of_programs_and_of_modules_in_use_are_named_at_once() {
    let checkout = Checkout::new("fetched");
    let (first, second) = (checkout.server(97), checkout.server(98));
    assert_eq!(checkout.set_up(&["97", "98"]), (true, String::new()));
    checkout.link(&format!("{first}/pkglibdir/forms.so"), "libmissing_a.so.7");
    checkout.link(&format!("{second}/bin/postgres"), "libmissing_b.so.2");
    let expected = "\
setup: error: this system lacks libmissing_a.so.7, libmissing_b.so.2
HINT: apt-get install missing-a7
HINT: install the packages of your distribution that have libmissing_b.so.2
";
    assert_eq!(checkout.set_up(&["97", "98"]), (false, expected.to_owned()));
    checkout.write("specs/some.mcspec", "preload idle\n");
    let (succeeds, said) = checkout.set_up(&["97"]);
    assert_eq!((succeeds, said.lines().next()), (false, Some("setup: error: this system lacks libmissing_idle.so.1")));
}

#[test]
fn what_is_missing_is_named_before_anything_is_fetched() {
    let checkout = Checkout::new("empty");
    checkout.takes_away(&["gcc", "g++", "python3"]);
    let expected = "\
setup: error: this system lacks a C compiler, a C++ compiler, libmissing_a.so.7, pip for python3
HINT: apt-get install g++ gcc libc6-dev missing-a7 python3 python3-pip
";
    assert_eq!(checkout.set_up(&["97"]), (false, expected.to_owned()));
    assert!(!checkout.0.join("was_fetched").exists());
}
