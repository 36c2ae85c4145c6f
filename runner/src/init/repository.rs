//! What a repository has: extensions and libraries, and how each is built.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::makefile::Makefile;
use crate::bounded;
use crate::suite::directories_without;

/// Directories without sources of an extension.
const OTHERS: [&str; 9] =
    ["target", "node_modules", "results", "expected", "build", "third_party", "vendor", "tmp_check", "docs"];

/// The names under which make finds a Makefile, in its order.
const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// Something that is built at once: a section of `mcspec.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its directory, from the top of the repository; empty for the top.
    pub directory: PathBuf,
    /// How it is built.
    pub build: Way,
    /// The extensions that come with it.
    pub extensions: Vec<Control>,
    /// The libraries that its build says it makes.
    pub libraries: Vec<String>,
    /// What it is called as long as nobody knows what comes with it.
    pub title: String,
}

/// How something is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By make, with PGXS.
    Make,
    /// A crate of pgrx, by cargo.
    Cargo,
    /// By lines for a shell.
    Command(Vec<String>),
}

/// A control file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// The extension.
    pub name: String,
    /// `requires`
    pub requires: Vec<String>,
    /// `comment`
    pub comment: String,
}

impl Source {
    /// What its section is called: its first extension, or else its first library.
    pub fn name(&self) -> Option<&str> {
        let extension = self.extensions.first().map(|control| control.name.as_str());
        let name = extension.or(self.libraries.first().map(String::as_str)).unwrap_or(&self.title);
        (!name.is_empty()).then_some(name)
    }

    /// Says what its build has installed, where that is not known before.
    pub fn has_installed(&mut self, extensions: Vec<Control>, libraries: Vec<String>) {
        let title = self.title.clone();
        *self = Source { title, ..of(&self.directory, self.build.clone(), extensions, libraries) };
    }

    /// All that comes with it, by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.extensions.iter().map(|control| control.name.as_str());
        names.chain(self.libraries.iter().map(String::as_str))
    }

    /// What else comes with it.
    pub fn provides(&self) -> Vec<&str> {
        let mut known: BTreeSet<&str> = self.name().into_iter().collect();
        self.names().filter(|name| known.insert(name)).collect()
    }
}

impl Control {
    /// Reads a control file (extension.c, parse_extension_control_file).
    pub fn read(name: &str, text: &str) -> Self {
        let value = |key: &str| {
            let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(key));
            let mut value = lines.filter_map(|rest| {
                let rest = rest.trim_start();
                Some(rest.strip_prefix('=').unwrap_or(rest).trim_start()).filter(|rest| rest.starts_with('\''))
            });
            let value = value.next_back().map_or("", |rest| &rest[1..]);
            value.split('\'').next().unwrap_or_default().to_owned()
        };
        let requires = value("requires");
        let requires = requires.split(',').map(|name| name.trim().trim_matches('"').to_owned());
        Control {
            name: name.to_owned(),
            requires: requires.filter(|name| !name.is_empty()).collect(),
            comment: value("comment"),
        }
    }
}

/// Finds what there is at and below a directory.
pub fn find(top: &Path) -> Vec<Source> {
    let directories = directories_without(top, &OTHERS);
    let controls: Vec<(PathBuf, Control)> = directories.iter().flat_map(|directory| controls(top, directory)).collect();
    let mut sources: Vec<Source> = Vec::new();
    for directory in &directories {
        // What is built by a command is built with all that is below.
        let is_done = sources
            .iter()
            .any(|source| matches!(source.build, Way::Command(_)) && directory.starts_with(&source.directory));
        if is_done {
            continue;
        }
        let own = || controls.iter().filter(|(place, _)| place == directory).map(|(_, control)| control.clone());
        let text = |name: &str| read(&top.join(directory).join(name));
        if let Some(cargo) = text("Cargo.toml").filter(|text| text.contains("pgrx"))
            && own().next().is_some()
        {
            sources.push(of(directory, Way::Cargo, own().collect(), library_of(&cargo).into_iter().collect()));
            continue;
        }
        let makefile = MAKEFILES.into_iter().find_map(text);
        if let Some(makefile) = makefile.as_deref().and_then(Makefile::read)
            && (own().next().is_some() || !makefile.extensions.is_empty() || !makefile.libraries.is_empty())
        {
            let named = own().filter(|control| makefile.extensions.contains(&control.name));
            let mut extensions: Vec<Control> = named.collect();
            if extensions.is_empty() && !makefile.extensions.is_empty() {
                // A control file that make writes, or one that lies elsewhere.
                let known = |name: &String| controls.iter().find(|(_, control)| control.name == *name);
                let control = |name: &String| known(name).map_or_else(|| Control::read(name, ""), |(_, c)| c.clone());
                extensions = makefile.extensions.iter().map(control).collect();
            }
            // Whose name make computes.
            if extensions.is_empty() && makefile.libraries.is_empty() {
                extensions = own().collect();
            }
            sources.push(of(directory, Way::Make, extensions, makefile.libraries));
            continue;
        }
        let is_of_pgxs = |below: &&PathBuf| {
            let text = |name: &str| read(&top.join(below).join(name));
            below.starts_with(directory)
                && MAKEFILES.into_iter().find_map(text).is_some_and(|text| Makefile::read(&text).is_some())
        };
        let is_by_hand = makefile.is_some() && !directories.iter().any(|below| is_of_pgxs(&below));
        if let Some(commands) = commands(&top.join(directory), is_by_hand) {
            let below = controls.iter().filter(|(place, _)| place.starts_with(directory));
            let extensions: Vec<Control> = below.map(|(_, control)| control.clone()).collect();
            // Control files may be written by the build, under names that it computes.
            if !extensions.is_empty() || speaks_of_postgres(&top.join(directory)) {
                let source = of(directory, Way::Command(commands), extensions, Vec::new());
                sources.push(Source { title: title(&top.join(directory)), ..source });
            }
        }
    }
    sources.retain(|source| source.name().is_some());
    sources
}

fn of(directory: &Path, build: Way, extensions: Vec<Control>, libraries: Vec<String>) -> Source {
    let mut extensions = extensions;
    let mut known = BTreeSet::new();
    extensions.retain(|control| known.insert(control.name.clone()));
    // What another one needs comes first.
    extensions.sort_by_key(|control| control.requires.iter().filter(|name| known.contains(*name)).count());
    Source { directory: directory.to_owned(), build, extensions, libraries, title: String::new() }
}

/// Files that say how something is built that has neither PGXS nor cargo.
const BUILD_FILES: [&str; 5] = ["CMakeLists.txt", "meson.build", "configure.ac", "configure.in", "Makefile"];

/// Whether what is built in a directory is for PostgreSQL.
fn speaks_of_postgres(directory: &Path) -> bool {
    BUILD_FILES.iter().any(|name| {
        let text = read(&directory.join(name)).unwrap_or_default().to_ascii_lowercase();
        text.contains("pg_config") || text.contains("postgres")
    })
}

/// The name of a directory.
fn title(directory: &Path) -> String {
    let path = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// How something is built that has neither PGXS nor cargo.
fn commands(directory: &Path, has_makefile: bool) -> Option<Vec<String>> {
    let has = |name: &str| directory.join(name).is_file();
    let lines = |lines: &[&str]| Some(lines.iter().map(|&line| line.to_owned()).collect());
    if has("CMakeLists.txt") {
        return lines(&[
            "cmake -S . -B build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPG_CONFIG=\"$PG_CONFIG\" -DPostgreSQL_CONFIG=\"$PG_CONFIG\"",
            "cmake --build build --parallel \"$(nproc)\"",
            "cmake --install build",
        ]);
    }
    if has("meson.build") {
        return lines(&[
            "meson setup build",
            "meson compile -C build",
            "meson install -C build --destdir \"$DESTDIR\"",
        ]);
    }
    let scripts = ["autogen.sh", "bootstrap.sh", "bootstrap"].into_iter().find(|name| has(name));
    let is_autoconf = has("configure") || has("configure.ac") || has("configure.in");
    if !is_autoconf {
        // One that is made by hand, which may or may not know DESTDIR.
        return if has_makefile { lines(&["make", "make install DESTDIR=\"$DESTDIR\""]) } else { None };
    }
    let text = ["configure.ac", "configure.in", "configure"].into_iter().find_map(|name| read(&directory.join(name)));
    let text = text.unwrap_or_default();
    let option = ["with-pgconfig", "with-pg-config", "with-pg_config", "with-postgresql"];
    let spelled = |option: &&str| {
        text.contains(*option)
            || text.contains(&format!("AC_ARG_WITH([{}]", &option[5..]))
            || text.contains(&format!("AC_ARG_WITH({}", &option[5..]))
    };
    let option = option.into_iter().find(spelled);
    // What came out of an archive may have lost its mode.
    let is_program = fs::metadata(directory.join("configure")).is_ok_and(|file| file.permissions().mode() & 0o100 != 0);
    let configure = if is_program || !has("configure") { "./configure" } else { "sh ./configure" };
    let configure = match option {
        Some(option) => format!("{configure} --{option}=\"$PG_CONFIG\""),
        None => format!("{configure} PG_CONFIG=\"$PG_CONFIG\""),
    };
    let prepare = match (has("configure"), scripts) {
        (true, _) => None,
        (false, Some(script)) => Some(format!("sh ./{script}")),
        (false, None) => Some("autoreconf -i".to_owned()),
    };
    let make = ["make".to_owned(), "make install DESTDIR=\"$DESTDIR\"".to_owned()];
    Some(prepare.into_iter().chain([configure]).chain(make).collect())
}

/// The library of a crate: `name` of `[lib]`, or of the package.
fn library_of(cargo: &str) -> Option<String> {
    let manifest: toml::Table = cargo.parse().ok()?;
    let name = |table: &str| Some(manifest.get(table)?.get("name")?.as_str()?.replace('-', "_"));
    name("lib").or_else(|| name("package"))
}

fn controls(top: &Path, directory: &Path) -> Vec<(PathBuf, Control)> {
    let entries = fs::read_dir(top.join(directory)).into_iter().flatten().flatten();
    let control = |file: fs::DirEntry| {
        let name = file.file_name().into_string().ok()?;
        let name = name.strip_suffix(".in").unwrap_or(&name);
        // Those of a version have two hyphens.
        let name = name.strip_suffix(".control").filter(|name| !name.contains("--"))?;
        Some((directory.to_owned(), Control::read(name, &read(&file.path())?)))
    };
    let mut found: Vec<(PathBuf, Control)> = entries.filter_map(control).collect();
    found.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    found
}

/// The text of a file that somebody has written by hand; none where there is no such file.
pub(super) fn read(path: &Path) -> Option<String> {
    let bytes = bounded::bytes(path, bounded::SPEC).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and texts.
    type Files<'a> = &'a [(&'a str, &'a str)];

    /// `directory: way: name, name: + provided`
    fn found(files: Files) -> Vec<String> {
        let top = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = top.path().join(name);
            fs::create_dir_all(path.parent().expect("has one")).expect("made");
            fs::write(path, text).expect("written");
        }
        let name = |source: &Source| match source.name() {
            Some(name) if name == title(top.path()) => "TOP".to_owned(),
            name => name.unwrap_or("-").to_owned(),
        };
        let line = |source: &Source| {
            let way = match &source.build {
                Way::Make => "make".to_owned(),
                Way::Cargo => "cargo".to_owned(),
                Way::Command(lines) => lines[0].split(' ').next().unwrap_or_default().to_owned(),
            };
            format!("{}: {way}: {} + {}", source.directory.display(), name(source), source.provides().join(" "))
        };
        find(top.path()).iter().map(line).collect()
    }

    const PGXS: &str = "PGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n";

    #[test]
    fn repositories_of_every_kind_are_known() {
        let make = |text: &str| format!("{text}{PGXS}");
        let vector = make("EXTENSION = vector\nMODULE_big = vector\n");
        let two = make("EXTENSION = a b\nMODULES = a b\n");
        let hook = make("MODULES = hook\n");
        let suffixed = make("EXTENSION = foo\nMODULE_big = foo-1.2\n");
        let cargo = "[package]\nname = \"my-ext\"\n[dependencies]\npgrx = \"=0.16\"\n";
        let table: &[(Files, &[&str])] = &[
            (&[("Makefile", &vector), ("vector.control", "")], &[": make: vector + "]),
            (&[("Makefile", &two), ("a.control", "requires = 'b'"), ("b.control", "")], &[": make: b + a"]),
            (&[("Makefile", &hook), ("hook.c", "")], &[": make: hook + "]),
            (&[("Makefile", &suffixed), ("foo.control", "")], &[": make: foo + foo-1.2"]),
            (
                &[
                    ("Makefile", "all:\n\t$(MAKE) -C x\n"),
                    ("x/Makefile", &vector),
                    ("x/vector.control", ""),
                    ("y/Makefile", &hook),
                ],
                &["x: make: vector + ", "y: make: hook + "],
            ),
            (&[("Cargo.toml", cargo), ("my_ext.control", "")], &[": cargo: my_ext + "]),
            (
                &[
                    ("Cargo.toml", "[workspace]\n"),
                    ("p/Cargo.toml", cargo),
                    ("p/p.control", ""),
                    ("q/Cargo.toml", "[package]\n"),
                ],
                &["p: cargo: p + my_ext"],
            ),
            (&[("CMakeLists.txt", ""), ("h3/h3.control", ""), ("h3/CMakeLists.txt", "")], &[": cmake: h3 + "]),
            (&[("meson.build", ""), ("x.control.in", "")], &[": meson: x + "]),
            (&[("configure", "--with-pgconfig"), ("x/x.control", "")], &[": sh: x + "]),
            (&[("autogen.sh", ""), ("configure.ac", ""), ("x.control", "")], &[": sh: x + "]),
            (&[("CMakeLists.txt", "find_package(PostgreSQL)"), ("cmake/control.in", "")], &[": cmake: TOP + "]),
            (&[("CMakeLists.txt", "project(other)")], &[]),
            (&[("README", "")], &[]),
            (&[("Makefile", "all:\n")], &[]),
        ];
        for (files, expected) in table {
            assert_eq!(found(files), *expected, "{files:?}");
        }
    }

    #[test]
    fn control_files_are_read() {
        let text = "# x\ncomment = 'it''s'\nrequires = 'plpgsql, \"my-ext\"'\n  default_version='1.2'\n";
        let control = Control::read("x", text);
        assert_eq!(control.requires, ["plpgsql", "my-ext"]);
        assert_eq!(Control::read("x", "").requires, [""; 0]);
    }
}
