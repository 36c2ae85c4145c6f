//! Commands in hints. A hint is a command alone, which is pasted as it is, or a sentence with commands in double quotes. Commands of
//! mcspec are written where they are shown, and are parsed by a test (`cli/tests.rs`), unless there is something in them that is not known
//! there: those are made by [`mcspec`], which quotes it for a shell. All other commands are made here. `xtask/tests/house/hints.rs` finds
//! those that are not.

mod packages;

use std::path::Path;

pub(crate) use memcheck_core::command::{mcspec, path, rebuild, word};
pub(crate) use packages::{Need, completed, install, native_major, program};

/// Fetches servers into a checkout of mcspec.
pub(crate) fn fetch_servers(majors: &[u32]) -> String {
    format!("cargo run -p xtask -- servers {}", majors.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
}

/// Gets a compiler of Rust.
pub(crate) fn rust() -> String {
    const FROM: &str = "https://sh.rustup.rs";
    match () {
        () if packages::has("curl") => format!("curl --proto '=https' --tlsv1.2 -sSf {FROM} | sh"),
        () if packages::has("wget") => format!("wget -qO- {FROM} | sh"),
        () => "install Rust by rustup, as https://rustup.rs says".to_owned(),
    }
}

/// Makes a user that servers can run as.
pub(crate) fn make_user() -> String {
    "useradd --system postgres".to_owned()
}

/// A role or a database in a statement.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Moves a file out of the way.
pub(crate) fn move_away(file: &Path) -> String {
    format!("mv {} {}", path(file), path(&with_suffix(file, "old")))
}

/// Keeps others from reading a file.
pub(crate) fn close(file: &Path) -> String {
    format!("chmod 600 {}", path(file))
}

/// Writes a key without its passphrase beside it, and where that is.
pub(crate) fn decrypt(key: &Path) -> (String, String) {
    let plain = path(&with_suffix(key, "plain"));
    (format!("umask 077 && openssl pkey -in {} -out {plain}", path(key)), plain)
}

fn with_suffix(file: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Makes room in shared memory.
pub(crate) fn enlarge_shared_memory() -> String {
    packages::as_root("mount -o remount,size=256m /dev/shm")
}

/// Gets the cargo-pgrx that goes with a version of pgrx.
pub(crate) fn cargo_pgrx(version: &str) -> String {
    format!("cargo install --locked cargo-pgrx --version ={}", word(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_that_a_shell_reads() {
        let file = Path::new("it's/a b");
        assert_eq!(move_away(file), "mv 'it'\\''s/a b' 'it'\\''s/a b.old'");
        assert_eq!(close(Path::new("a b")), "chmod 600 'a b'");
        let expected = "umask 077 && openssl pkey -in 'a b' -out 'a b.plain'".to_owned();
        assert_eq!(decrypt(Path::new("a b")), (expected, "'a b.plain'".to_owned()));
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
