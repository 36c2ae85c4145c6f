//! Where things are in this checkout.

use std::path::{Path, PathBuf};

/// The checkout that this binary was built from.
pub(crate) struct Workspace {
    root: PathBuf,
    engine_target: PathBuf,
}

impl Workspace {
    /// The workspace of the running `cargo run -p xtask`.
    pub(crate) fn locate() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().expect("xtask lies in the workspace").to_owned();
        Self { engine_target: root.join("target/engine-build"), root }
    }

    /// Has what is loaded into a server built in another directory.
    pub(crate) fn build_in(&mut self, directory: PathBuf) {
        self.engine_target = directory;
    }

    /// The top of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory for what is loaded into a server. It is apart from the runner's, whose artefacts would otherwise be
    /// rebuilt whenever the features change, and common to all majors, which share every crate but the bindings.
    pub(crate) fn engine_target(&self) -> &Path {
        &self.engine_target
    }

    /// A fetched server.
    pub(crate) fn server(&self, major: u32) -> PathBuf {
        self.root.join("target/servers").join(major.to_string())
    }

    /// The fetched libclang.
    pub(crate) fn libclang(&self) -> PathBuf {
        self.root.join("target/libclang")
    }

    /// The list of pinned wheels called `name`.
    pub(crate) fn requirements(&self, name: &str) -> PathBuf {
        self.root.join("tests/servers").join(format!("requirements-{name}.txt"))
    }

    /// The list of Debian's packages with the server of `major`.
    pub(crate) fn packages(&self, major: u32) -> PathBuf {
        self.root.join("tests/servers").join(format!("packages-{major}.txt"))
    }
}
