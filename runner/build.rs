//! Has the engine's sources come with mcspec, so that whoever has nothing but that can build the engine for a server of his own.
//!
//! A debug build has the checkout instead: it would be compiled again with every change of the engine.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What it takes to build the engine, besides the workspace's own Cargo.toml.
const WANTED: [&str; 9] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "LICENSE",
    "extension",
    "rust-toolchain.toml",
    "tests/servers/requirements-libclang.txt",
    "xtask/Cargo.toml",
    "xtask/install_script",
    "xtask/src",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let checkout = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo says it"))
        .parent()
        .expect("it has a parent")
        .to_owned();
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo says it"));
    let is_debug = env::var("PROFILE").expect("cargo says it") == "debug";
    let (digest, sources) = if is_debug {
        let checkout = format!("pub(super) const CHECKOUT: Option<&str> = Some({checkout:?});\n");
        ("development".to_owned(), checkout + "pub(super) static FILES: &[(&str, &[u8])] = &[];\n")
    } else {
        embedded(&checkout, &out)
    };
    println!("cargo:rustc-env=MCSPEC_ENGINE_SOURCES={digest}");
    fs::write(out.join("sources.rs"), sources).expect("written");
}

/// The files as Rust, and a number that changes with any of them.
fn embedded(checkout: &Path, out: &Path) -> (String, String) {
    let manifest = out.join("Cargo.toml");
    println!("cargo:rerun-if-changed={}", checkout.join("Cargo.toml").display());
    fs::write(&manifest, workspace(&fs::read_to_string(checkout.join("Cargo.toml")).expect("read"))).expect("written");
    let mut files = vec![("Cargo.toml".to_owned(), manifest)];
    for name in WANTED {
        println!("cargo:rerun-if-changed={}", checkout.join(name).display());
        collect(checkout, Path::new(name), &mut files);
    }
    files.sort();
    let mut digest = Digest::default();
    let mut sources = "pub(super) const CHECKOUT: Option<&str> = None;\n".to_owned();
    sources += "pub(super) static FILES: &[(&str, &[u8])] = &[\n";
    for (name, path) in files {
        digest.add(name.as_bytes());
        digest.add(&fs::read(&path).expect("read"));
        writeln!(sources, "    ({name:?}, include_bytes!({path:?})),").expect("a string takes all");
    }
    (format!("{:016x}", digest.0), sources + "];\n")
}

fn collect(checkout: &Path, name: &Path, files: &mut Vec<(String, PathBuf)>) {
    let path = checkout.join(name);
    if path.is_dir() {
        for entry in fs::read_dir(&path).expect("read") {
            collect(checkout, &name.join(entry.expect("read").file_name()), files);
        }
    } else {
        files.push((name.to_str().expect("UTF-8").to_owned(), path));
    }
}

/// The workspace's Cargo.toml with the engine and what builds it.
fn workspace(manifest: &str) -> String {
    let mut replaced = 0;
    let line = |line: &str| {
        let members = ["members = [", "default-members = ["].iter().find(|start| line.starts_with(**start));
        replaced += usize::from(members.is_some());
        match members {
            Some(start) => format!("{start}\"extension\", \"extension/core\", \"xtask\", \"xtask/install_script\"]\n"),
            None if line.starts_with("mcspec = ") => String::new(),
            None => format!("{line}\n"),
        }
    };
    let manifest: String = manifest.lines().map(line).collect();
    assert_eq!(replaced, 2, "Cargo.toml has its members on a line of their own");
    manifest
}

/// FNV-1a: there is nobody to be kept from making two that are the same.
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&u64::try_from(bytes.len()).expect("it fits").to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
