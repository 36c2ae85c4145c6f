//! A pgrx of a few lines, and a crate that is made with it as one is made with pgrx.

/// Where descriptions of SQL objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Graph {
    /// Functions of the library return them: up to 0.17.
    Functions,
    /// In a section of the library: since 0.18.
    Section,
}

type Files = Vec<(String, String)>;

/// What pgrx has: the features, the magic block, a function and its description.
const PGRX: &str = r##"
pub use pgrx_sql_entity_graph;

#[repr(C)]
pub struct Magic {
    len: i32,
    abi: [i32; 5],
    extra: [u8; 32],
    #[cfg(feature = "pg18")]
    names: [usize; 2],
}

pub const fn magic() -> Magic {
    #[cfg(feature = "pg15")]
    let version = 1500;
    #[cfg(feature = "pg16")]
    let version = 1600;
    #[cfg(feature = "pg17")]
    let version = 1700;
    #[cfg(feature = "pg18")]
    let version = 1800;
    let mut extra = [0; 32];
    let name = b"PostgreSQL";
    let mut i = 0;
    while i < name.len() {
        extra[i] = name[i];
        i += 1;
    }
    Magic {
        len: std::mem::size_of::<Magic>() as i32,
        abi: [version, 100, 32, 64, 1],
        extra,
        #[cfg(feature = "pg18")]
        names: [0; 2],
    }
}

/// FunctionCallInfoBaseData, up to the first argument.
#[repr(C)]
pub struct Call {
    head: [usize; 3],
    collation: u32,
    result_is_null: bool,
    number: i16,
    pub argument: usize,
}

extern "C" {
    pub static TopMemoryContext: usize;
    pub fn MemoryContextAlloc(context: usize, bytes: usize) -> usize;
    fn text_to_cstring(text: usize) -> *const std::ffi::c_char;
}

impl Call {
    /// The first argument, which is a text.
    pub fn text(&self) -> &str {
        unsafe { std::ffi::CStr::from_ptr(text_to_cstring(self.argument)) }.to_str().unwrap()
    }
}

#[macro_export]
macro_rules! pg_module_magic {
    () => {
        #[no_mangle]
        pub extern "C" fn Pg_magic_func() -> *const $crate::Magic {
            static MAGIC: $crate::Magic = $crate::magic();
            &MAGIC
        }
        pub fn __pgrx_marker() {}
    };
}

#[macro_export]
macro_rules! pg_extern {
    ($name:ident, $info:ident, $describe:ident, $sql:literal, $call:ident => $body:expr) => {
        #[no_mangle]
        pub extern "C" fn $info() -> *const i32 {
            static VERSION: i32 = 1;
            &VERSION
        }
        #[no_mangle]
        pub extern "C" fn $name($call: &$crate::Call) -> usize {
            $body
        }
        DESCRIPTION
    };
}

#[macro_export]
macro_rules! pgrx_embed {
    () => {
        #[cfg(not(pgrx_embed))]
        fn main() {}
        #[cfg(pgrx_embed)]
        include!(env!("PGRX_EMBED"));
    };
}
"##;

const BY_FUNCTION: &str = r#"#[no_mangle]
        pub extern "Rust" fn $describe() -> $crate::pgrx_sql_entity_graph::SqlGraphEntity {
            $crate::pgrx_sql_entity_graph::SqlGraphEntity::Sql($sql.to_owned())
        }"#;

const BY_SECTION: &str = r#"#[used]
        #[link_section = ".pgrxsc"]
        #[no_mangle]
        pub static $describe: [u8; $sql.len()] = {
            let mut bytes = [0; $sql.len()];
            let mut i = 0;
            while i < bytes.len() {
                bytes[i] = $sql.as_bytes()[i];
                i += 1;
            }
            bytes
        };"#;

/// What makes scripts: each object is its statement, up to a semicolon.
const SQL_GRAPH: &str = r#"
use std::path::{Path, PathBuf};

pub enum SqlGraphEntity {
    ExtensionRoot(ControlFile),
    Sql(String),
}

pub struct ControlFile(String);

impl ControlFile {
    pub fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<PathBuf> for ControlFile {
    type Error = std::io::Error;
    fn try_from(path: PathBuf) -> Result<Self, Self::Error> {
        std::fs::read_to_string(path).map(Self)
    }
}

pub mod section {
    use super::SqlGraphEntity;
    pub fn decode_entities(bytes: &[u8]) -> Result<Vec<SqlGraphEntity>, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?.replace('\0', "");
        Ok(text.split_inclusive(';').map(|sql| SqlGraphEntity::Sql(sql.to_owned())).collect())
    }
}

pub struct PgrxSql(String);

impl PgrxSql {
    pub fn build(all: impl Iterator<Item = SqlGraphEntity>, library: String, is_versioned: bool) -> Result<Self, String> {
        let (mut text, mut version) = (String::new(), String::new());
        for entity in all {
            match entity {
                SqlGraphEntity::ExtensionRoot(ControlFile(control)) => {
                    let line = control.lines().find(|line| line.starts_with("default_version"));
                    version = line.and_then(|line| line.split('\'').nth(1)).unwrap().to_owned();
                }
                SqlGraphEntity::Sql(sql) => text += &(sql + "\n"),
            }
        }
        if is_versioned {
            text = text.replace("MODULE_PATHNAME", &format!("$libdir/{library}-{version}"));
        }
        Ok(Self(text))
    }
    pub fn to_sql(&self) -> Result<String, String> {
        Ok(self.0.clone())
    }
    pub fn to_file(&self, path: impl AsRef<Path>) -> std::io::Result<()> {
        std::fs::write(path, &self.0)
    }
}
"#;

/// The crate: a function that leaks, and one that says how it was built.
const CRATE: &str = r#"
use pgrx::{MemoryContextAlloc, TopMemoryContext};

pgrx::pg_module_magic!();

#[inline(never)]
fn keep(bytes: usize) -> usize {
    std::hint::black_box(unsafe { MemoryContextAlloc(TopMemoryContext, bytes) })
}

pgrx::pg_extern!(@crate@_leak, pg_finfo_@crate@_leak, __pgrx_internals_fn_@crate@_leak,
    "CREATE FUNCTION @crate@_leak() RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';",
    _call => { keep(100); 0 });

pgrx::pg_extern!(@crate@_is, pg_finfo_@crate@_is, __pgrx_internals_fn_@crate@_is,
    "CREATE FUNCTION @crate@_is(text) RETURNS bool LANGUAGE c STRICT AS 'MODULE_PATHNAME';",
    call => match call.text() {
        "debug" => cfg!(debug_assertions) as usize,
        "loud" => cfg!(feature = "loud") as usize,
        _ => cfg!(feature = "quiet") as usize,
    });
"#;

/// The number of the line of the crate with this in it.
pub(crate) fn line_of(text: &str) -> usize {
    CRATE.lines().position(|line| line.contains(text)).expect("a line") + 1
}

/// The crates of pgrx.
pub(crate) fn pgrx(graph: Graph) -> Files {
    let (version, description) = match graph {
        Graph::Functions => ("0.16.1", BY_FUNCTION),
        Graph::Section => ("0.18.1", BY_SECTION),
    };
    let package = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n");
    let features = "\n[features]\npg15 = []\npg16 = []\npg17 = []\npg18 = []\n";
    let dependency = "\n[dependencies]\npgrx-sql-entity-graph = { path = \"graph\" }\n";
    let files = [
        ("pgrx/Cargo.toml", package("pgrx") + features + dependency),
        ("pgrx/src/lib.rs", PGRX.replace("DESCRIPTION", description)),
        ("pgrx/graph/Cargo.toml", package("pgrx-sql-entity-graph")),
        ("pgrx/graph/src/lib.rs", SQL_GRAPH.to_owned()),
    ];
    files.map(|(name, text)| (name.to_owned(), text)).into()
}

/// The files of a crate in a directory, which is empty or ends in a slash.
pub(crate) fn files_of(directory: &str, name: &str, graph: Graph) -> Files {
    let embed = format!("\n[[bin]]\nname = \"pgrx_embed_{name}\"\npath = \"src/bin/pgrx_embed.rs\"\n");
    let manifest = format!(
        "[workspace]\n\n[package]\nname = \"{name}\"\nversion = \"1.2.3\"\nedition = \"2021\"\n\n\
         [lib]\ncrate-type = [\"cdylib\", \"lib\"]\n{}\n\
         [features]\ndefault = [\"pg13\", \"quiet\"]\npg13 = []\npg15 = [\"pgrx/pg15\"]\npg16 = [\"pgrx/pg16\"]\n\
         pg17 = [\"pgrx/pg17\"]\npg18 = [\"pgrx/pg18\"]\nquiet = []\nloud = []\n\n[dependencies]\npgrx = {{ path = \"pgrx\" }}\n",
        if graph == Graph::Functions { &embed } else { "" }
    );
    let control = format!(
        "comment = '{name}'\ndefault_version = '@CARGO_VERSION@'\nmodule_pathname = '$libdir/{name}'\nrelocatable = false\n"
    );
    let mut files = vec![
        (format!("{directory}Cargo.toml"), manifest),
        (format!("{directory}{name}.control"), control),
        (format!("{directory}src/lib.rs"), CRATE.replace("@crate@", name)),
    ];
    if graph == Graph::Functions {
        files.push((format!("{directory}src/bin/pgrx_embed.rs"), "pgrx::pgrx_embed!();\n".to_owned()));
    }
    files
}
