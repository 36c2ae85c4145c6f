//! What the project depends on, against what `deny.toml` allows: licences, versions, sources. The file is one of cargo-deny, which has
//! to be built for minutes first; what is held to here takes a second, and nothing but cargo.
//!
//! Not checked are security advisories. They are in a database that has to be fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

/// `deny.toml`. A key that is not here would not be held to, so it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Graph {
    targets: Vec<String>,
    all_features: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    multiple_versions: Deny,
    wildcards: Deny,
    allow_wildcard_paths: bool,
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: Deny,
    unknown_git: Deny,
}

/// The only severity there is here.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Deny {
    Deny,
}

/// An older version that may be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

/// What cargo says of the crates.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
}

/// Where crates come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What cargo says of all crates.
fn metadata(checkout: &Path, graph: &Graph) -> Metadata {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(checkout).args(["metadata", "--format-version", "1", "--locked"]);
    for target in &graph.targets {
        command.args(["--filter-platform", target]);
    }
    if graph.all_features {
        command.arg("--all-features");
    }
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo's JSON")
}

/// Everything that is not as the rules have it, in the order of the crates.
fn complaints(rules: &Rules, metadata: &Metadata) -> Vec<String> {
    let Bans { multiple_versions: Deny::Deny, wildcards: Deny::Deny, allow_wildcard_paths, skip } = &rules.bans;
    let Sources { unknown_registry: Deny::Deny, unknown_git: Deny::Deny } = &rules.sources;
    let mut complaints = licences(&rules.licenses.allow, &metadata.packages);
    complaints.extend(versions(skip, &metadata.packages));
    for package in &metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        if let Some(source) = package.source.as_deref().filter(|source| *source != REGISTRY) {
            complaints.push(format!("{name} comes from {source}"));
        }
        let is_own = metadata.workspace_members.contains(&package.id);
        for dependency in package.dependencies.iter().filter(|dependency| is_own && dependency.req == "*") {
            if !(*allow_wildcard_paths && dependency.path.is_some()) {
                complaints.push(format!("{name} takes any version of {}", dependency.name));
            }
        }
    }
    complaints
}

fn licences(allow: &[String], packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut allowed = Vec::new();
    for licence in allow {
        match Licensee::parse(licence) {
            Ok(licensee) => allowed.push((licence, licensee)),
            Err(error) => complaints.push(format!("\"{licence}\" is no licence: {}", error.reason)),
        }
    }
    let mut unused: BTreeSet<&String> = allowed.iter().map(|(licence, _)| *licence).collect();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let Some(text) = &package.license else {
            complaints.push(format!("{name} does not say what its licence is"));
            continue;
        };
        match Expression::parse_mode(text, ParseMode::LAX) {
            Ok(expression) => {
                for required in expression.requirements() {
                    let named = allowed.iter().filter(|(_, licensee)| licensee.satisfies(&required.req));
                    named.for_each(|(licence, _)| {
                        unused.remove(licence);
                    });
                }
                if !expression.evaluate(|required| allowed.iter().any(|(_, licensee)| licensee.satisfies(required))) {
                    complaints.push(format!("{name} has the licence \"{text}\""));
                }
            }
            Err(error) => complaints.push(format!("{name}: \"{text}\" is no licence: {}", error.reason)),
        }
    }
    complaints.extend(unused.into_iter().map(|licence| format!("no crate has the licence \"{licence}\"")));
    complaints
}

fn versions(skip: &[Skip], packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut unused: Vec<&Skip> = skip.iter().collect();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let is_skipped = |skip: &&Skip| is_of(&skip.package, &package.name, &package.version);
        if skip.iter().any(|skip| is_skipped(&skip)) {
            unused.retain(|skip| !is_skipped(skip));
        } else {
            versions.entry(&package.name).or_default().insert(&package.version);
        }
    }
    for (name, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
        let versions: Vec<&str> = versions.into_iter().collect();
        complaints.push(format!("there are {} versions of {name}: {}", versions.len(), versions.join(" and ")));
    }
    complaints.extend(unused.into_iter().map(|skip| format!("no crate is \"{}\" of \"skip\"", skip.package)));
    let unexplained = skip.iter().filter(|skip| skip.reason.trim().is_empty());
    complaints.extend(unexplained.map(|skip| format!("\"{}\" of \"skip\" has no reason", skip.package)));
    complaints
}

/// Whether a `NAME@VERSION` means a version of a crate: that one, or with fewer numbers all that begin with them.
fn is_of(skip: &str, name: &str, version: &str) -> bool {
    let Some((skipped, numbers)) = skip.split_once('@') else { return skip == name };
    skipped == name && version.strip_prefix(numbers).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+']))
}

#[test]
fn the_project_depends_on_what_is_allowed() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    let rules = fs::read_to_string(checkout.join("deny.toml")).expect("read");
    let rules: Rules = toml::from_str(&rules).unwrap_or_else(|error| panic!("deny.toml: {error}"));
    let complaints = complaints(&rules, &metadata(checkout, &rules.graph));
    let hint = "HINT: \"cargo tree --target all -i NAME@VERSION\" shows who depends on it";
    assert!(complaints.is_empty(), "what is there is not what deny.toml has\n{}\n{hint}", complaints.join("\n"));
}

const RULES: &str = r#"
    graph = { targets = ["x86_64-unknown-linux-gnu"], all-features = true }
    licenses = { allow = ["MIT", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"] }
    sources = { unknown-registry = "deny", unknown-git = "deny" }
    [bans]
    multiple-versions = "deny"
    wildcards = "deny"
    allow-wildcard-paths = true
    skip = [{ crate = "old@0.1", reason = "x" }]
"#;

fn package(name: &str, version: &str, license: Option<&str>, source: Option<&str>) -> Package {
    let [id, name, version] = [name, name, version].map(str::to_owned);
    let [license, source] = [license, source].map(|text| text.map(str::to_owned));
    Package { id, name, version, license, source, dependencies: Vec::new() }
}

/// The complaints about crates besides those that the rules name.
fn said(more: Vec<Package>) -> Vec<String> {
    let usual = |name, version, license| package(name, version, Some(license), Some(REGISTRY));
    let mut packages = vec![
        usual("old", "0.1.7", "MIT/Apache-2.0"),
        usual("old", "0.2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"),
        usual("llvm", "1.0.0", "Apache-2.0 WITH LLVM-exception"),
    ];
    packages.extend(more);
    let metadata = Metadata { packages, workspace_members: ["own".to_owned()].into() };
    complaints(&toml::from_str(RULES).expect("valid"), &metadata)
}

#[test]
fn what_is_not_allowed_is_said() {
    let any = |path: Option<&str>| Dependency { name: "b".into(), req: "*".into(), path: path.map(str::to_owned) };
    let mut own = package("own", "1.0.0", Some("MIT"), None);
    own.dependencies = vec![any(Some("b")), any(None)];
    let mut other = package("other", "1.0.0", Some("MIT"), Some(REGISTRY));
    other.dependencies = vec![any(None)];
    for (packages, expected) in [
        (vec![], vec![]),
        (vec![package("a", "1.0.0", Some("GPL-3.0-only OR MIT"), Some(REGISTRY))], vec![]),
        (
            vec![package("a", "1.0.0", Some("GPL-3.0-only"), Some(REGISTRY))],
            vec!["a 1.0.0 has the licence \"GPL-3.0-only\""],
        ),
        (
            vec![package("a", "1.0.0", Some("MIT AND ISC"), Some(REGISTRY))],
            vec!["a 1.0.0 has the licence \"MIT AND ISC\""],
        ),
        (
            vec![package("a", "1.0.0", Some("Apache-2.0"), Some(REGISTRY))],
            vec!["a 1.0.0 has the licence \"Apache-2.0\""],
        ),
        (vec![package("a", "1.0.0", None, Some(REGISTRY))], vec!["a 1.0.0 does not say what its licence is"]),
        (
            vec![package("old", "0.11.0", Some("MIT"), Some(REGISTRY))],
            vec!["there are 2 versions of old: 0.11.0 and 0.2.0"],
        ),
        (vec![package("old", "0.1.8", Some("MIT"), Some(REGISTRY))], vec![]),
        (vec![package("a", "1.0.0", Some("MIT"), Some("git+https://x"))], vec!["a 1.0.0 comes from git+https://x"]),
        (vec![own], vec!["own 1.0.0 takes any version of b"]),
        (vec![other], vec![]),
    ] {
        assert_eq!(said(packages), expected);
    }
}

#[test]
fn what_has_no_use_is_said() {
    let rules: Rules = toml::from_str(RULES).expect("valid");
    let packages = vec![package("a", "1.0.0", Some("MIT"), None)];
    let metadata = Metadata { packages, workspace_members: BTreeSet::new() };
    let expected = [
        "no crate has the licence \"Apache-2.0 WITH LLVM-exception\"",
        "no crate has the licence \"Unicode-3.0\"",
        "no crate is \"old@0.1\" of \"skip\"",
    ];
    assert_eq!(complaints(&rules, &metadata), expected);
}

#[test]
fn a_key_that_is_not_held_to_is_refused() {
    for more in ["\n[advisories]\n", "\n[bans.build]\n"] {
        assert!(toml::from_str::<Rules>(&format!("{RULES}{more}")).is_err(), "{more}");
    }
    assert!(toml::from_str::<Rules>(&RULES.replace("wildcards = \"deny\"", "wildcards = \"warn\"")).is_err());
}
