//! `when`, `requires`, `skip` and `xfail`: conditions against the server a case would run on.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::language::Diagnostic;
use crate::language::ast::{Comparison, Condition, Spanned, Test};

/// What conditions can ask about a server, and what the built-in variables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// `server_version_num`: 180006.
    pub version_num: u32,
    /// `std::env::consts::OS`
    pub os: &'static str,
    /// `std::env::consts::ARCH`
    pub arch: &'static str,
    /// Width of a pointer.
    pub bits: u32,
    /// Whether the server was built with assertions.
    pub assertions: bool,
    /// What the server was configured with: `injection_points` for `--enable-injection-points`.
    pub features: BTreeSet<String>,
    /// Where control files are, first match wins.
    pub extension_directories: Vec<PathBuf>,
    /// What the names of databases begin with, so that they are nobody else's.
    pub database_prefix: String,
}

impl Environment {
    /// The environment of a server of that version on this machine, with no extension and no feature. Enough to check a
    /// spec without a server.
    pub fn nominal(version_num: u32) -> Self {
        Environment {
            version_num,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            bits: usize::BITS,
            assertions: false,
            features: BTreeSet::new(),
            extension_directories: Vec::new(),
            database_prefix: String::new(),
        }
    }

    /// The same, with what the server's configure options say (`pg_config --configure`, also as meson records them).
    pub fn configured(version_num: u32, configure: &str, extension_directories: Vec<PathBuf>) -> Self {
        let features = features(configure);
        Environment {
            assertions: features.contains("cassert"),
            features,
            extension_directories,
            ..Environment::nominal(version_num)
        }
    }

    /// The major version: 18.
    pub fn major(&self) -> u32 {
        self.version_num / 10_000
    }

    /// `default_version` of an extension's control file; none if there is no such file.
    fn extension_version(&self, name: &str) -> Option<String> {
        let file = format!("{name}.control");
        let control = self.extension_directories.iter().find_map(|dir| fs::read_to_string(dir.join(&file)).ok())?;
        let version = control.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "default_version").then(|| value.trim().trim_matches('\'').to_owned())
        });
        Some(version.unwrap_or_default())
    }
}

/// `--enable-injection-points`, `--with-lz4=...`, `-Dcassert=true`: the names, with `_` for `-`.
fn features(configure: &str) -> BTreeSet<String> {
    let mut features = BTreeSet::new();
    for word in configure.split_whitespace().map(|word| word.trim_matches('\'')) {
        let name = if let Some(option) = word.strip_prefix("-D") {
            match option.split_once('=') {
                Some((name, "true" | "enabled")) => name,
                _ => continue,
            }
        } else {
            match word.strip_prefix("--enable-").or_else(|| word.strip_prefix("--with-")) {
                Some(option) => option.split('=').next().unwrap_or(option),
                None => continue,
            }
        };
        features.insert(name.replace('-', "_"));
    }
    features
}

/// Whether a condition holds.
///
/// # Errors
///
/// A value that cannot be compared with its subject.
pub(super) fn holds(condition: &Condition, environment: &Environment) -> Result<bool, Diagnostic> {
    let truth = match &condition.test {
        Test::Compare { subject, op, value } => compare(subject, *op, value, environment)?,
        Test::Feature(name) => environment.features.contains(&name.value.replace('-', "_")),
        Test::Extension(name) => environment.extension_version(&name.value).is_some(),
        // There is none that this version knows and cannot run.
        Test::Scenario(_) => true,
    };
    Ok(truth != condition.negated)
}

fn compare(
    subject: &Spanned<String>,
    op: Comparison,
    value: &Spanned<String>,
    environment: &Environment,
) -> Result<bool, Diagnostic> {
    let same = |actual: &str| match op {
        Comparison::Eq => Ok(actual == value.value),
        Comparison::Ne => Ok(actual != value.value),
        _ => {
            let message = format!("\"{}\" can only be compared with = and <>", subject.value);
            Err(Diagnostic::new(subject.span.clone(), message))
        }
    };
    let ordered = |actual: &str| {
        let wanted = numbers(&value.value).ok_or_else(|| {
            let error = Diagnostic::new(value.span.clone(), format!("\"{}\" is not a version", value.value));
            error.with_hint("a version is written 15, 18.6 or 0.8.1".to_owned())
        })?;
        // `pg = 15` holds for 15.20, and `pg > 15` does not: only as much is compared as was written.
        let actual = numbers(actual).unwrap_or_default();
        let part = &actual[..actual.len().min(wanted.len())];
        Ok(admits(op, part.cmp(&wanted)))
    };
    match subject.value.as_str() {
        "pg" => {
            let num = environment.version_num;
            ordered(&format!("{}.{}", num / 10_000, num % 10_000))
        }
        "bits" => ordered(&environment.bits.to_string()),
        "os" => same(environment.os),
        "arch" => same(environment.arch),
        "build" => same(if environment.assertions { "assert" } else { "noassert" }),
        extension => match environment.extension_version(extension) {
            Some(version) => ordered(&version),
            None => ordered("").map(|_| false),
        },
    }
}

/// The numbers of a version, `1.2.3` or `1.2dev`; none if it does not begin with one.
fn numbers(version: &str) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = version
        .split('.')
        .map_while(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        })
        .collect();
    (!numbers.is_empty()).then_some(numbers)
}

/// Whether an operator holds between two values of this order.
pub(crate) fn admits(op: Comparison, order: std::cmp::Ordering) -> bool {
    match op {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spanned(value: &str) -> Spanned<String> {
        Spanned { value: value.to_owned(), span: 0..1 }
    }

    fn environment() -> (tempfile::TempDir, Environment) {
        let directory = tempfile::tempdir().unwrap();
        let control = "comment = 'vectors'\ndefault_version = '0.8.1'\n";
        fs::write(directory.path().join("vector.control"), control).unwrap();
        let configure = "'--enable-injection-points' '--with-lz4' '--prefix=/x' -Dcassert=true -Dnls=disabled";
        let environment = Environment::configured(180_006, configure, vec![directory.path().to_owned()]);
        (directory, environment)
    }

    #[test]
    fn comparisons_look_at_as_much_as_is_written() {
        use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
        let (_directory, environment) = environment();
        let table = [
            ("pg", Ge, "15", Ok(true)),
            ("pg", Eq, "18", Ok(true)),
            ("pg", Gt, "18", Ok(false)),
            ("pg", Le, "18", Ok(true)),
            ("pg", Eq, "18.6", Ok(true)),
            ("pg", Lt, "18.10", Ok(true)),
            ("pg", Ne, "17", Ok(true)),
            ("pg", Ge, "soon", Err("\"soon\" is not a version")),
            ("bits", Eq, "64", Ok(true)),
            ("build", Eq, "assert", Ok(true)),
            ("build", Ne, "valgrind", Ok(true)),
            ("os", Gt, "linux", Err("\"os\" can only be compared with = and <>")),
            ("vector", Ge, "0.8", Ok(true)),
            ("vector", Lt, "0.8.1", Ok(false)),
            ("hstore", Ge, "0", Ok(false)),
        ];
        for (subject, op, value, expected) in table {
            let found = compare(&spanned(subject), op, &spanned(value), &environment);
            let found = found.map_err(|diagnostic| diagnostic.message);
            assert_eq!(found, expected.map_err(str::to_owned), "{subject} {op:?} {value}");
        }
    }

    #[test]
    fn features_and_extensions_are_looked_up() {
        let (_directory, environment) = environment();
        let table = [
            (Test::Feature(spanned("injection_points")), true),
            (Test::Feature(spanned("lz4")), true),
            (Test::Feature(spanned("nls")), false),
            (Test::Extension(spanned("vector")), true),
            (Test::Extension(spanned("hstore")), false),
        ];
        for (test, expected) in table {
            for negated in [false, true] {
                let condition = Condition { negated, test: test.clone(), span: 0..1 };
                assert_eq!(holds(&condition, &environment).ok(), Some(expected != negated), "{condition:?}");
            }
        }
    }
}
