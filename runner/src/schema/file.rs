//! The keys of `mcspec.toml`, for its schema. They are read in `config/`, with better messages than a schema gives; the test holds
//! these here to those there.

#![allow(dead_code, reason = "only their schema is of use")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// mcspec.toml: where an extension and its memory specs are, and how they run
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mcspec.toml")]
pub(super) struct Config {
    project: Option<Project>,
    /// How the files of each extension under test get into the servers
    extension: Option<BTreeMap<String, Extension>>,
    isolation: Option<Isolation>,
    engine: Option<Engine>,
    profile: Option<Profiles>,
    coverage: Option<Coverage>,
    checklist: Option<Checklist>,
    /// Violations that are known, in every spec
    allow: Option<Vec<Allow>>,
}

/// A name, or a list of them
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Names {
    One(String),
    All(Vec<String>),
}

/// A size with its unit, or a number of bytes
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    WithUnit(#[schemars(regex(pattern = r"^[0-9][0-9_]*(B|kB|MB|GB|TB)?$"))] String),
}

/// Where specs, goldens and results are
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Project {
    /// Where the .mcspec files are; default: specs
    specs: Option<String>,
    /// Their goldens; default: expected
    expected: Option<String>,
    /// What a run writes; default: results
    results: Option<String>,
    /// What "mcspec run" runs; default: schedule
    schedule: Option<String>,
}

/// How it is built
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Build {
    Make,
    Cargo,
    Command,
    Files,
}

/// An extension under test
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Extension {
    /// Its source directory; default: that of mcspec.toml
    path: Option<String>,
    /// Further extensions and libraries that come with it
    provides: Option<Names>,
    /// Default: make
    build: Option<Build>,
    /// Further arguments of make
    make: Option<Names>,
    /// Its libraries, for build = "files"
    library: Option<Names>,
    /// Its control files, for build = "files"
    control: Option<Names>,
    /// Its scripts, for build = "files"
    sql: Option<Names>,
    /// What an installation has left, for build = "files"
    tree: Option<Names>,
    /// The package, for build = "cargo"
    package: Option<String>,
    /// The profile, for build = "cargo"
    profile: Option<String>,
    /// Features, for build = "cargo"
    features: Option<Names>,
    /// Lines for a shell, for build = "command"
    command: Option<Names>,
}

/// What every isolation spec is given that does not say it itself
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Isolation {
    /// Extensions that are created
    extension: Option<Names>,
    /// Libraries that are preloaded before the engine
    preload_first: Option<Names>,
    /// Those after it
    preload: Option<Names>,
    /// Libraries that are charged
    target: Option<Names>,
    /// Files with lines for postgresql.conf
    conf: Option<Names>,
}

/// How allocations are guarded
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Guard {
    Off,
    Redzone,
    Pages,
}

/// Where the engine is, and how it is used where a spec does not say
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Engine {
    /// A directory with the built engine in sub-directories 15, 16, ..
    path: Option<String>,
    /// Iterations before the checked ones; default: 10
    warmup: Option<u32>,
    /// Default: redzone
    guard: Option<Guard>,
}

/// On which servers a run happens
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Profiles {
    default: Option<Profile>,
}

/// On which servers a run happens, and how long it may take
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Profile {
    /// The major versions to run on; none means the first one found
    #[schemars(inner(range(min = 15, max = 18)))]
    pg: Option<Vec<u32>>,
    /// Paths of pg_config programs
    pg_config: Option<Names>,
    /// Servers at the same time
    #[schemars(range(min = 1, max = 1024))]
    jobs: Option<u32>,
    /// For one scenario, where its spec does not say; default: 60s
    #[schemars(regex(pattern = r"^[0-9][0-9_]*\s*(us|ms|s|min|h|d)$"))]
    timeout: Option<String>,
}

/// What "mcspec checklist" requires
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Checklist {
    /// The major versions that specs have to have run on
    #[schemars(inner(range(min = 15, max = 18)))]
    pg: Option<Vec<u32>>,
    /// Whether each spec of the schedule has to have run
    every_spec: Option<bool>,
    /// At most so many specs that fail as expected
    xfail: Option<u32>,
    /// At most so many specs that were skipped
    skipped: Option<u32>,
    /// At most so many kinds of allowed violations
    allowed: Option<u32>,
    /// At most so many goldens that have changed since the tag
    goldens: Option<u32>,
    /// At most so much that a place in the code grows by in an iteration
    growth: Option<Size>,
    /// The tag of git that goldens are compared with
    since: Option<String>,
    /// Percent of the places that allocate which were reached
    #[schemars(range(max = 100))]
    coverage: Option<u32>,
    /// Percent of the dropped calls that free which were caught
    #[schemars(range(max = 100))]
    mutation: Option<u32>,
}

/// How much of what allocates specs have to reach
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Coverage {
    /// Least percentage of places
    #[schemars(range(max = 100))]
    least: Option<u32>,
}

/// A violation that is known
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Allow {
    /// Its context, function or check is like this
    like: Option<Names>,
    /// Its context
    #[serde(rename = "in")]
    contexts: Option<Names>,
    /// The kind of violation
    check: Option<String>,
    /// The library that it is charged to
    from: Option<String>,
    /// The function that allocates
    at: Option<String>,
    /// Why
    because: String,
    /// From that day on it is not allowed any more
    until: Option<String>,
}
