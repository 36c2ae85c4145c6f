//! A server of a major version that is not out yet, or has no wheel: from Debian's packages, without installing any.
//!
//! The packages are for a newer system than the one that works here, so all libraries that they need come with them, the C library too,
//! and the programs are made to load those. Nobody has to be root. The mirror and the keys are those that this system's own apt goes by.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{self, Error};

/// Where Debian has libraries, in the tree.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// The loader, there.
const LOADER: &str = "ld-linux-x86-64.so.2";

/// Debian's keys; without the file, apt goes by those that it trusts for all mirrors.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What names the packages: a list of suites, and a version.
struct Wanted {
    suites: Vec<String>,
    oldest: String,
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let suites = value("suites")?.split_whitespace().map(str::to_owned).collect();
        Some(Self { suites, oldest: value("version")?.trim().to_owned() })
    }
}

/// Lays the server of `major` that `list` names out in `tree`, which will be found at `home` when it is used.
pub(crate) fn unpack(list: &Path, major: u32, tree: &Path, home: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(list).map_err(Error::file("read", list))?;
    let wanted = Wanted::parse(&text)
        .ok_or_else(|| Error::new(format!("\"{}\" does not say \"suites\" and \"version\"", list.display())))?;
    require()?;

    let apt = Apt::new(tree.join("apt"), &wanted.suites)?;
    let server = format!("postgresql-{major}");
    let version = apt.candidate(&server)?;
    if !is_at_least(&version, &wanted.oldest)? {
        return Err(Error::new(format!("the mirror has {server} {version}, which is older than {}", wanted.oldest)));
    }
    let of_source = |names: &[String]| names.iter().map(|name| format!("{name}={version}")).collect::<Vec<_>>();
    let running = of_source(&[server, format!("postgresql-client-{major}"), "libpq5".into()]);
    let headers = of_source(&[format!("postgresql-server-dev-{major}"), "libpq-dev".into()]);
    let mut packages = apt.with_libraries(&[running, vec!["patchelf".into()]].concat())?;
    // Headers need compilers, of which there is one.
    packages.extend(headers);
    for file in apt.download(&packages)? {
        error::run(Command::new("dpkg-deb").arg("-x").arg(file).arg(tree))?;
    }
    apt.remove()?;

    let programs = tree.join(format!("usr/lib/postgresql/{major}"));
    set_loader(tree, home, &programs)?;
    suit_compiler(&programs.join("lib/pgxs/src/Makefile.global"))?;
    suit_headers(&tree.join(format!("usr/include/postgresql/{major}/server/pg_config.h")))?;
    symlink(format!("usr/lib/postgresql/{major}/bin"), tree.join("bin"))
        .map_err(Error::file("create", &tree.join("bin")))?;
    // What came, for whoever wants to know.
    let packages = packages.join("\n") + "\n";
    fs::write(tree.join("packages"), packages).map_err(Error::file("write", tree))
}

/// apt with directories of its own, in which nothing is installed.
struct Apt {
    directory: PathBuf,
}

impl Apt {
    fn new(directory: PathBuf, suites: &[String]) -> Result<Self, Error> {
        for part in ["lists/partial", "cache/archives/partial", "debs"] {
            let path = directory.join(part);
            fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
        }
        let mirror = mirror()?;
        let options = if Path::new(KEYS).exists() { format!("[signed-by={KEYS}] ") } else { String::new() };
        let sources: String = suites.iter().map(|suite| format!("deb {options}{mirror} {suite} main\n")).collect();
        let apt = Self { directory };
        for (name, text) in [("sources.list", sources.as_str()), ("status", ""), ("preferences", "")] {
            let path = apt.directory.join(name);
            fs::write(&path, text).map_err(Error::file("write", &path))?;
        }
        error::run(apt.command("apt-get").args(["update", "-qq"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |name: &str| self.directory.join(name).display().to_string();
        for (key, value) in [
            ("Dir::Etc::sourcelist", at("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", at("preferences")),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("Dir::State", at("")),
            ("Dir::State::lists", at("lists")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache", at("cache")),
            // Another user could not write here.
            ("APT::Sandbox::User", String::new()),
        ] {
            command.arg("-o").arg(format!("{key}={value}"));
        }
        command.env("LC_ALL", "C").current_dir(self.directory.join("debs"));
        command
    }

    /// The version that apt would install.
    fn candidate(&self, package: &str) -> Result<String, Error> {
        let policy = error::output(self.command("apt-cache").args(["policy", package]))?;
        let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        candidate
            .filter(|version| *version != "(none)")
            .map(str::to_owned)
            .ok_or_else(|| Error::new(format!("the mirror has no package {package}")))
    }

    /// Packages with those of the libraries that they need, each as `NAME=VERSION`.
    fn with_libraries(&self, packages: &[String]) -> Result<Vec<String>, Error> {
        let mut apt = self.command("apt-get");
        apt.args(["install", "--print-uris", "-qq", "-y", "--no-install-recommends"]).args(packages);
        let all = error::output(&mut apt)?;
        let all = all.lines().filter_map(|line| named_in(line.split_whitespace().nth(1)?));
        Ok(all.filter(|package| is_of_use(package)).collect())
    }

    fn download(&self, packages: &[String]) -> Result<Vec<PathBuf>, Error> {
        error::run(self.command("apt-get").args(["download", "-qq"]).args(packages))?;
        let debs = self.directory.join("debs");
        let entries = fs::read_dir(&debs).map_err(Error::file("read", &debs))?;
        let mut files = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Error::file("read", &debs))?;
        files.sort();
        Ok(files)
    }

    fn remove(self) -> Result<(), Error> {
        fs::remove_dir_all(&self.directory).map_err(Error::file("remove", &self.directory))
    }
}

/// `NAME=VERSION` of the file of a package, `NAME_VERSION_ARCHITECTURE.deb`, in which a colon is escaped.
fn named_in(file: &str) -> Option<String> {
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    Some(format!("{name}={}", version.replace("%3a", ":")))
}

/// Whether a package has programs of the server, libraries, or what is needed to lay them out.
fn is_of_use(package: &str) -> bool {
    let is = |prefix: &str| package.starts_with(prefix);
    let is_perl = is("libperl") || is("libjson-perl");
    (is("lib") && !is_perl) || is("zlib1g=") || is("patchelf=") || (is("postgresql-") && !package.contains("common="))
}

/// The mirror of Debian that this system has its own packages from.
fn mirror() -> Result<String, Error> {
    let format = "$(ORIGIN) $(CREATED_BY) $(REPO_URI)";
    let targets = error::output(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    first_of_debian(&targets).ok_or_else(|| {
        Error::with_hint("apt knows no mirror of Debian, or has no lists of it", "as root, on Debian: apt-get update")
    })
}

fn first_of_debian(targets: &str) -> Option<String> {
    let archives = targets.lines().filter_map(|line| line.strip_prefix("Debian Packages "));
    archives.map(str::trim).find(|mirror| !mirror.trim_end_matches('/').ends_with("-security")).map(str::to_owned)
}

fn is_at_least(version: &str, oldest: &str) -> Result<bool, Error> {
    let mut dpkg = Command::new("dpkg");
    dpkg.args(["--compare-versions", version, "ge", oldest]);
    let status = dpkg.status().map_err(|source| Error::Spawn { program: "dpkg".into(), source })?;
    Ok(status.success())
}

fn require() -> Result<(), Error> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Error::with_hint(
            "a server is made of Debian's packages for Linux on x86_64 only",
            "install PostgreSQL's server and development packages from your distribution",
        ));
    }
    for program in ["apt-get", "dpkg-deb"] {
        if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err() {
            return Err(Error::with_hint(
                format!("there is no {program}, which fetches the packages of this server"),
                "install PostgreSQL's server and development packages from your distribution",
            ));
        }
    }
    Ok(())
}

/// Has all programs of the server start with the libraries of the tree. What they load finds its own libraries there too, since
/// it is an RPATH, and no RUNPATH (ld.so(8)).
fn set_loader(tree: &Path, home: &Path, programs: &Path) -> Result<(), Error> {
    let here = tree.join(LIBRARIES);
    let there = home.join(LIBRARIES);
    let mut files = Vec::new();
    let mut pending = vec![programs.join("bin"), programs.join("lib/pgxs")];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).map_err(Error::file("read", &directory))? {
            let path = entry.map_err(Error::file("read", &directory))?.path();
            let metadata = path.symlink_metadata().map_err(Error::file("read", &path))?;
            if metadata.is_dir() {
                pending.push(path);
            } else if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 && is_elf(&path)? {
                files.push(path);
            }
        }
    }
    // patchelf itself is a program of that newer system.
    let mut patchelf = Command::new(here.join(LOADER));
    patchelf.arg("--library-path").arg(&here).arg(tree.join("usr/bin/patchelf"));
    patchelf.arg("--set-interpreter").arg(there.join(LOADER)).arg("--force-rpath").arg("--set-rpath").arg(&there);
    error::run(patchelf.args(files))
}

fn is_elf(path: &Path) -> Result<bool, Error> {
    let mut start = Vec::new();
    let file = fs::File::open(path).map_err(Error::file("read", path))?;
    file.take(4).read_to_end(&mut start).map_err(Error::file("read", path))?;
    Ok(start == *b"\x7fELF")
}

/// Leaves out, of what extensions are compiled with, the options that the compilers of this system do not know, and bitcode, for
/// which it has no clang of that version.
fn suit_compiler(makefile: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(makefile).map_err(Error::file("read", makefile))?;
    let text = with_options(&text, |language, option| compiles(language, option, ""));
    fs::write(makefile, text).map_err(Error::file("write", makefile))
}

/// Has the server's headers declare what the C library of that newer system declares and the one of this system does not.
fn suit_headers(configuration: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(configuration).map_err(Error::file("read", configuration))?;
    let text = with_declarations(&text, |function| {
        let headers =
            ["fcntl.h", "string.h", "sys/uio.h", "unistd.h"].map(|name| format!("#include <{name}>\n")).concat();
        compiles("c", "-D_GNU_SOURCE", &format!("{headers}void *address = (void *) {function};\n"))
    });
    fs::write(configuration, text).map_err(Error::file("write", configuration))
}

fn with_options(makefile: &str, knows: impl Fn(&str, &str) -> bool) -> String {
    let suit = |line: &str| {
        let known = |language: &str| {
            // What is passed on to the linker is none of the compiler's.
            let is_option = |word: &str| word.starts_with('-') && !word.starts_with("-Wl,");
            let words = line.split(' ').filter(|word| !is_option(word) || knows(language, word));
            words.collect::<Vec<_>>().join(" ")
        };
        match line.split_once(['=', ' ', '\t']) {
            Some(("CFLAGS", _)) => known("c"),
            Some(("CXXFLAGS", _)) => known("c++"),
            Some(("with_llvm", _)) => "with_llvm = no".to_owned(),
            _ => line.to_owned(),
        }
    };
    makefile.lines().map(|line| suit(line) + "\n").collect()
}

fn with_declarations(configuration: &str, declares: impl Fn(&str) -> bool) -> String {
    let suit = |line: &str| {
        let macro_name = line.strip_prefix("#define ").and_then(|rest| rest.strip_suffix(" 1"));
        match macro_name.and_then(|name| Some((name, name.strip_prefix("HAVE_DECL_")?.to_lowercase()))) {
            Some((name, function)) if !declares(&function) => format!("#define {name} 0\n"),
            _ => format!("{line}\n"),
        }
    };
    configuration.lines().map(suit).collect()
}

/// Whether the compiler of this system takes a source with an option. It warns of some that it does not know.
fn compiles(language: &str, option: &str, source: &str) -> bool {
    let mut compiler = Command::new("cc");
    // Some options are nothing without others.
    compiler.args(["-Werror", "-Wformat", option, "-x", language, "-fsyntax-only", "-"]);
    compiler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = compiler.spawn() else { return false };
    // It is dropped at once, which ends the source.
    let written = child.stdin.take().is_some_and(|mut input| input.write_all(source.as_bytes()).is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let wanted = Wanted::parse("# suites x\nsuites experimental sid\nversion 19~rc1\n").expect("valid");
        assert_eq!(wanted.suites, ["experimental", "sid"]);
        assert_eq!(wanted.oldest, "19~rc1");
        assert!(Wanted::parse("suites sid\n").is_none());
    }

    #[test]
    fn packages_of_files() {
        assert_eq!(named_in("libaudit1_1%3a4.2.1-1_amd64.deb").as_deref(), Some("libaudit1=1:4.2.1-1"));
        assert_eq!(named_in("libpq5_19~rc1-1_amd64.deb").as_deref(), Some("libpq5=19~rc1-1"));
        assert_eq!(named_in("InRelease"), None);
        for (package, expected) in [
            ("libpq5=1", true),
            ("libperl5.42=1", false),
            ("zlib1g=1", true),
            ("postgresql-19=1", true),
            ("postgresql-client-19=1", true),
            ("postgresql-client-common=1", false),
            ("systemd=1", false),
        ] {
            assert_eq!(is_of_use(package), expected, "{package}");
        }
    }

    #[test]
    fn the_mirror_is_that_of_the_archive() {
        let targets = "Google Packages https://m/apt/\nDebian DEP-11 http://c/debian/\nDebian Packages http://m/debian-security/\n\
                       Debian Packages http://m/debian/\n";
        assert_eq!(first_of_debian(targets).as_deref(), Some("http://m/debian/"));
        assert_eq!(first_of_debian("Ubuntu Packages http://m/ubuntu/\n"), None);
    }

    #[test]
    fn what_the_compiler_does_not_know_is_left_out() {
        let makefile =
            "with_llvm\t= yes\nCFLAGS = -Wall -Wnew=5 -O2 -Wl,-x\nCXXFLAGS = -Wall -fnew\nCFLAGS_SL = -Wnew=5\n";
        assert_eq!(
            with_options(makefile, |language, option| option != "-Wnew=5" && (language, option) != ("c++", "-fnew")),
            "with_llvm = no\nCFLAGS = -Wall -O2 -Wl,-x\nCXXFLAGS = -Wall\nCFLAGS_SL = -Wnew=5\n"
        );
    }

    #[test]
    fn what_the_c_library_does_not_declare_the_servers_headers_do() {
        let configuration =
            "#define HAVE_DECL_STRLCPY 1\n#define HAVE_DECL_STRSEP 1\n#define HAVE_DECL_MEMSET_S 0\n#define HAVE_X 1\n";
        assert_eq!(
            with_declarations(configuration, |function| function == "strsep"),
            "#define HAVE_DECL_STRLCPY 0\n#define HAVE_DECL_STRSEP 1\n#define HAVE_DECL_MEMSET_S 0\n#define HAVE_X 1\n"
        );
    }
}
