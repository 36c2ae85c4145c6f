//! What a package manager is told to install: only what this system's distribution has, or says how it gets it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something that a package has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The server of a major version.
    Server(u32),
    /// Its headers and PGXS.
    Headers(u32),
    /// psql and its like, with what PGXS runs tests by.
    Client(u32),
    /// make and a C compiler.
    Compiler,
    /// The certificates of public authorities.
    Certificates,
    /// The library by which headers are read for Rust.
    Clang,
}

/// The command that installs all of these here, or a sentence where nobody knows one.
pub(crate) fn install(needs: &[Need]) -> String {
    System::this().install(needs)
}

/// A command that takes root.
pub(super) fn as_root(command: &str) -> String {
    System::this().as_root(&[command.to_owned()])
}

/// How an installation gets what is missing from it: by a package of its own, or by whoever has built it.
pub(crate) fn completed(need: Need, pg_config: &Path) -> String {
    let is_packaged = pg_config.starts_with("/usr") && !pg_config.starts_with("/usr/local");
    match is_packaged {
        true => install(&[need]),
        false => "\"make install\" in the sources that this PostgreSQL was built from installs that too".to_owned(),
    }
}

/// How a program is got that is not there; none where nobody knows what it is.
pub(crate) fn program(name: &str, major: u32, pg_config: &Path) -> Option<String> {
    match name {
        "psql" | "createdb" | "dropdb" | "createuser" | "dropuser" | "pg_dump" | "pg_restore" | "pg_isready" => {
            Some(completed(Need::Client(major), pg_config))
        }
        "make" => Some(install(&[Need::Compiler])),
        _ => None,
    }
}

/// The version of PostgreSQL that this system's distribution has in its own archive, as far as it is known.
pub(crate) fn native_major() -> Option<u32> {
    let codename = System::this().codename;
    NATIVE.iter().find(|(name, _)| *name == codename).map(|(_, major)| *major)
}

/// Whether there is a program of that name.
pub(super) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Who installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Zypper,
}

/// How to become who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    Root,
    Sudo,
    Neither,
}

/// As much as there is to know of a system.
struct System {
    manager: Option<Manager>,
    rights: Rights,
    /// `VERSION_CODENAME` of os-release(5).
    codename: String,
    /// Whether the package manager knows a package; none where it has no lists to look at.
    knows: fn(&str) -> Option<bool>,
}

/// The version of PostgreSQL that a release of Debian or Ubuntu has in its own archive.
const NATIVE: [(&str, u32); 7] = [
    ("bullseye", 13),
    ("bookworm", 15),
    ("trixie", 17),
    ("jammy", 14),
    ("noble", 16),
    ("plucky", 17),
    ("questing", 17),
];

/// The script of postgresql-common that adds the archive of the PostgreSQL project.
const PGDG: &str = "/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh";

impl System {
    fn this() -> Self {
        let manager = [("apt-get", Manager::Apt), ("dnf", Manager::Dnf), ("zypper", Manager::Zypper)];
        let rights = match nix::unistd::geteuid().is_root() {
            true => Rights::Root,
            false if has("sudo") => Rights::Sudo,
            false => Rights::Neither,
        };
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        Self {
            manager: manager.into_iter().find(|(program, _)| has(program)).map(|(_, manager)| manager),
            rights,
            codename: codename.unwrap_or_default().trim_matches('"').to_owned(),
            knows: match manager.into_iter().find(|(program, _)| has(program)) {
                Some((_, Manager::Dnf)) => dnf_knows,
                _ => apt_knows,
            },
        }
    }

    fn install(&self, needs: &[Need]) -> String {
        let Some(manager) = self.manager else { return sentence(needs) };
        let mut packages: Vec<String> = Vec::new();
        for package in needs.iter().flat_map(|need| manager.packages(*need)) {
            if !packages.contains(&package) {
                packages.push(package);
            }
        }
        let list = packages.join(" ");
        let of_project = needs.iter().any(|need| matches!(need, Need::Server(_) | Need::Headers(_) | Need::Client(_)));
        let commands = match manager {
            Manager::Apt => {
                let known: Vec<Option<bool>> = packages.iter().map(|package| (self.knows)(package)).collect();
                let has_no_lists = known.contains(&None);
                let is_missing = match has_no_lists {
                    true => needs.iter().any(|need| !self.is_native(*need)),
                    false => known.contains(&Some(false)),
                };
                let mut commands = Vec::new();
                if has_no_lists {
                    commands.push("apt-get update".to_owned());
                }
                if is_missing && of_project {
                    commands.extend(["apt-get install postgresql-common".to_owned(), format!("{PGDG} -y")]);
                }
                commands.push(format!("apt-get install {list}"));
                commands
            }
            Manager::Dnf if of_project && (self.knows)(&packages[0]) != Some(true) => {
                let then = self.line(&[format!("dnf install {list}")]);
                return format!(
                    "add the repository of the PostgreSQL project (https://www.postgresql.org/download/linux/redhat/), then \"{then}\""
                );
            }
            Manager::Dnf => vec![format!("dnf install {list}")],
            Manager::Zypper => vec![format!("zypper install {list}")],
        };
        self.as_root(&commands)
    }

    /// Commands one after the other, and who does them.
    fn as_root(&self, commands: &[String]) -> String {
        match self.rights {
            Rights::Neither => format!("as root: \"{}\"", self.line(commands)),
            Rights::Root | Rights::Sudo => self.line(commands),
        }
    }

    /// Commands one after the other, each with the rights that it takes.
    fn line(&self, commands: &[String]) -> String {
        let sudo = if self.rights == Rights::Sudo { "sudo " } else { "" };
        commands.iter().map(|command| format!("{sudo}{command}")).collect::<Vec<_>>().join(" && ")
    }

    fn is_native(&self, need: Need) -> bool {
        match need {
            Need::Server(major) | Need::Headers(major) | Need::Client(major) => {
                NATIVE.contains(&(self.codename.as_str(), major))
            }
            Need::Compiler | Need::Certificates | Need::Clang => true,
        }
    }
}

impl Manager {
    /// What has it; on RPM systems by the names of the PostgreSQL project, on SUSE by its own.
    fn packages(self, need: Need) -> Vec<String> {
        match (self, need) {
            (Manager::Apt, Need::Server(major)) => vec![format!("postgresql-{major}")],
            (Manager::Apt, Need::Headers(major)) => vec![format!("postgresql-server-dev-{major}")],
            (Manager::Apt, Need::Client(major)) => vec![format!("postgresql-client-{major}")],
            // What runs tests is in the package of PGXS.
            (Manager::Dnf, Need::Client(major)) => {
                vec![format!("postgresql{major}"), format!("postgresql{major}-devel")]
            }
            (Manager::Zypper, Need::Client(major)) => {
                vec![format!("postgresql{major}"), format!("postgresql{major}-server-devel")]
            }
            (Manager::Apt, Need::Compiler) => ["make", "gcc", "libc6-dev"].map(str::to_owned).to_vec(),
            (Manager::Dnf | Manager::Zypper, Need::Server(major)) => vec![format!("postgresql{major}-server")],
            (Manager::Dnf, Need::Headers(major)) => vec![format!("postgresql{major}-devel")],
            (Manager::Zypper, Need::Headers(major)) => vec![format!("postgresql{major}-server-devel")],
            (Manager::Dnf | Manager::Zypper, Need::Compiler) => ["make", "gcc"].map(str::to_owned).to_vec(),
            (Manager::Apt, Need::Clang) => vec!["libclang-dev".to_owned()],
            (Manager::Dnf | Manager::Zypper, Need::Clang) => vec!["clang-devel".to_owned()],
            (_, Need::Certificates) => vec!["ca-certificates".to_owned()],
        }
    }
}

/// What to do where no package manager is known.
fn sentence(needs: &[Need]) -> String {
    let of = |need: &Need| match need {
        Need::Server(major) => format!("PostgreSQL {major}"),
        Need::Headers(major) => format!("the server headers and PGXS of PostgreSQL {major}"),
        Need::Client(major) => format!("psql and pg_regress of PostgreSQL {major}"),
        Need::Compiler => "make and a C compiler".to_owned(),
        Need::Certificates => "the certificates of public authorities".to_owned(),
        Need::Clang => "libclang with its headers".to_owned(),
    };
    format!("install {}", needs.iter().map(of).collect::<Vec<_>>().join(" and "))
}

fn apt_knows(package: &str) -> Option<bool> {
    let lists = fs::read_dir("/var/lib/apt/lists").ok()?;
    let is_list = |name: &str| name.contains("_Packages");
    lists.flatten().any(|entry| is_list(&entry.file_name().to_string_lossy())).then(|| {
        let mut command = Command::new("apt-cache");
        command.args(["show", package]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// Packages of the PostgreSQL project are known where its repository is.
fn dnf_knows(_package: &str) -> Option<bool> {
    let is_of_project = |name: &str| name.starts_with("pgdg");
    let repositories = fs::read_dir(Path::new("/etc/yum.repos.d")).ok()?;
    Some(repositories.flatten().any(|entry| is_of_project(&entry.file_name().to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(manager: Option<Manager>, rights: Rights, codename: &str, knows: fn(&str) -> Option<bool>) -> System {
        System { manager, rights, codename: codename.to_owned(), knows }
    }

    const DEV_15: &[Need] = &[Need::Headers(15)];
    const DEV_18: &[Need] = &[Need::Headers(18)];

    #[test]
    fn debian_has_one_version_and_the_project_all() {
        let bookworm: fn(&str) -> Option<bool> = |package| Some(!package.ends_with("-18"));
        let empty: fn(&str) -> Option<bool> = |_| None;
        let common =
            format!("apt-get install postgresql-common && {PGDG} -y && apt-get install postgresql-server-dev-18");
        for (needs, knows, expected) in [
            (DEV_15, bookworm, "apt-get install postgresql-server-dev-15".to_owned()),
            (DEV_18, bookworm, common.clone()),
            (DEV_15, empty, "apt-get update && apt-get install postgresql-server-dev-15".to_owned()),
            (DEV_18, empty, format!("apt-get update && {common}")),
            (&[Need::Client(15)][..], bookworm, "apt-get install postgresql-client-15".to_owned()),
            (&[Need::Compiler][..], bookworm, "apt-get install make gcc libc6-dev".to_owned()),
            (
                &[Need::Server(15), Need::Headers(15)][..],
                bookworm,
                "apt-get install postgresql-15 postgresql-server-dev-15".to_owned(),
            ),
            (&[Need::Certificates][..], empty, "apt-get update && apt-get install ca-certificates".to_owned()),
        ] {
            assert_eq!(system(Some(Manager::Apt), Rights::Root, "bookworm", knows).install(needs), expected);
        }
    }

    #[test]
    fn who_is_not_root_is_told_how_to_be() {
        let knows: fn(&str) -> Option<bool> = |package| (!package.ends_with("-18")).then_some(true);
        let hint = |rights, needs| system(Some(Manager::Apt), rights, "bookworm", knows).install(needs);
        assert_eq!(hint(Rights::Sudo, DEV_15), "sudo apt-get install postgresql-server-dev-15");
        assert_eq!(
            hint(Rights::Sudo, DEV_18),
            format!(
                "sudo apt-get update && sudo apt-get install postgresql-common && sudo {PGDG} -y && sudo apt-get install \
                 postgresql-server-dev-18"
            )
        );
        assert_eq!(hint(Rights::Neither, DEV_15), "as root: \"apt-get install postgresql-server-dev-15\"");
    }

    #[test]
    fn programs_that_are_not_there() {
        let packaged = |name| program(name, 15, Path::new("/usr/lib/postgresql/15/bin/pg_config"));
        assert_eq!(packaged("psql"), Some(install(&[Need::Client(15)])));
        assert_eq!(packaged("make"), Some(install(&[Need::Compiler])));
        assert_eq!(packaged("pg_prove"), None);
        let own = program("pg_dump", 15, Path::new("/usr/local/pgsql/bin/pg_config")).unwrap();
        assert!(own.starts_with("\"make install\" in the sources"), "{own}");
    }

    #[test]
    fn others_have_other_names() {
        let with: fn(&str) -> Option<bool> = |_| Some(true);
        let without: fn(&str) -> Option<bool> = |_| Some(false);
        let hint = |manager, knows, needs| system(manager, Rights::Root, "", knows).install(needs);
        assert_eq!(hint(Some(Manager::Dnf), with, DEV_15), "dnf install postgresql15-devel");
        assert!(hint(Some(Manager::Dnf), without, DEV_15).ends_with(", then \"dnf install postgresql15-devel\""));
        let client = [Need::Client(15)];
        assert_eq!(hint(Some(Manager::Dnf), with, &client), "dnf install postgresql15 postgresql15-devel");
        assert_eq!(hint(Some(Manager::Zypper), with, &client), "zypper install postgresql15 postgresql15-server-devel");
        assert_eq!(hint(Some(Manager::Dnf), without, &[Need::Compiler]), "dnf install make gcc");
        assert_eq!(hint(Some(Manager::Zypper), without, DEV_15), "zypper install postgresql15-server-devel");
        assert_eq!(hint(None, without, DEV_15), "install the server headers and PGXS of PostgreSQL 15");
    }

    /// What is known here is installed as it is told; nothing is installed by this.
    #[test]
    fn this_system_has_what_it_is_told_to_install() {
        let hint = install(&[Need::Compiler]);
        if let Some(packages) = hint.strip_prefix("apt-get install ") {
            let simulated = Command::new("apt-get").args(["-s", "-qq", "install"]).args(packages.split(' ')).output();
            assert!(simulated.unwrap().status.success(), "{hint}");
        }
    }
}
