//! The targets: which libraries' allocations are looked at, by their names.
//!
//! A library is known by the name of its file without directory and suffix.

use crate::like::Like;
use crate::room;
use crate::suggest::closest;

/// Libraries that come with the server and do its own work, besides those of [`is_conversion`]: languages, replication, search
/// and JIT (src/pl/plpgsql, src/backend/replication, src/backend/snowball, src/backend/jit/llvm), and this engine.
/// What contrib and the other languages have are extensions.
const SERVERS_OWN: [&str; 6] =
    ["plpgsql", "pgoutput", "libpqwalreceiver", "dict_snowball", "llvmjit", "pg_ext_memcheck"];

/// Conversions between encodings (src/backend/utils/mb/conversion_procs).
const CONVERSIONS: [&str; 25] = [
    "cyrillic_and_mic",
    "euc2004_sjis2004",
    "euc_cn_and_mic",
    "euc_jp_and_sjis",
    "euc_kr_and_mic",
    "euc_tw_and_big5",
    "latin2_and_win1250",
    "latin_and_mic",
    "utf8_and_big5",
    "utf8_and_cyrillic",
    "utf8_and_euc2004",
    "utf8_and_euc_cn",
    "utf8_and_euc_jp",
    "utf8_and_euc_kr",
    "utf8_and_euc_tw",
    "utf8_and_gb18030",
    "utf8_and_gbk",
    "utf8_and_iso8859",
    "utf8_and_iso8859_1",
    "utf8_and_johab",
    "utf8_and_sjis",
    "utf8_and_sjis2004",
    "utf8_and_uhc",
    "utf8_and_win",
    "utf8_and_ascii",
];

/// The name of a library in what people write for it: a path, `$libdir/name`, the name of its file.
pub fn library_name(text: &str) -> &str {
    let name = text.trim().rsplit('/').next().unwrap_or_default();
    name.find(".so").map_or(name, |suffix| &name[..suffix])
}

/// The name of a library without the release that it may end with: `postgis-3`, `timescaledb-2.28.3`, `my_ext-1.0-rc2`.
pub fn without_release(library: &str) -> &str {
    let is_release = |text: &str| {
        let number = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let word = number.trim_start_matches('-').trim_end_matches(|c: char| c.is_ascii_digit());
        text.starts_with(|c: char| c.is_ascii_digit()) && ["", "dev", "alpha", "beta", "rc"].contains(&word)
    };
    let dash = library.match_indices('-').map(|(at, _)| at).find(|&at| is_release(&library[at + 1..]));
    dash.filter(|&at| at > 0).map_or(library, |at| &library[..at])
}

/// Whether a library of that name is the server's, or this engine.
pub fn is_servers_own(library: &str) -> bool {
    SERVERS_OWN.contains(&library) || CONVERSIONS.contains(&library)
}

/// A loaded library, as far as it matters for targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Library<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is one that the server loads, by its magic block, and no library that others need.
    pub is_module: bool,
}

impl Library<'_> {
    /// Whether an extension has brought it.
    pub fn is_of_extension(&self) -> bool {
        self.is_module && !is_servers_own(self.name)
    }
}

/// One library, or those like a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// As it was written.
    text: String,
    name: Like,
    /// Whether it may be several, so that only extensions' libraries are meant.
    is_pattern: bool,
}

impl Target {
    fn new(text: &str) -> Self {
        let text = text.trim();
        let name = Like::new(library_name(text).to_lowercase());
        Target { text: text.to_owned(), name, is_pattern: text.contains('%') }
    }

    fn matches(&self, library: Library) -> bool {
        (!self.is_pattern || library.is_of_extension()) && self.name.matches(&library.name.to_lowercase())
    }
}

/// Which libraries are targets: those that are named, or, where none is, all that extensions have brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets {
    named: Vec<Target>,
}

/// A target of a window and a loaded library that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The target as it was written, empty where none was named; none for a library of an extension that is no target.
    pub target: Option<String>,
    /// The library; none for a target of which there is none.
    pub library: Option<String>,
}

impl Targets {
    /// The targets in a list, separated by commas.
    pub fn new(list: &str) -> Self {
        let named = list.split(',').filter(|text| !text.trim().is_empty()).map(Target::new).collect();
        Targets { named }
    }

    /// The list that [`Self::new`] makes these from.
    pub fn list(&self) -> String {
        self.named.iter().map(|target| target.text.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Whether a library is one.
    pub fn include(&self, library: Library) -> bool {
        let named = self.named.iter().any(|target| target.matches(library));
        named || self.named.is_empty() && library.is_of_extension()
    }

    /// The only name, where there is one and it is no pattern.
    pub fn only(&self) -> Option<&str> {
        match self.named.as_slice() {
            [only] if !only.is_pattern => Some(library_name(&only.text)),
            _ => None,
        }
    }

    /// What these are of the libraries that are loaded.
    pub fn loaded(&self, libraries: &[Library]) -> Vec<Loaded> {
        let some = |target: Option<&str>, library: Option<&str>| Loaded {
            target: target.map(str::to_owned),
            library: library.map(str::to_owned),
        };
        let mut all = Vec::new();
        for target in &self.named {
            let before = all.len();
            let its = libraries.iter().filter(|&&library| target.matches(library));
            all.extend(its.map(|library| some(Some(&target.text), Some(library.name))));
            if all.len() == before {
                all.push(some(Some(&target.text), None));
            }
        }
        let others = libraries.iter().filter(|library| library.is_of_extension());
        let unnamed = self.named.is_empty().then_some("");
        for library in others.filter(|library| self.named.is_empty() || !self.include(**library)) {
            all.push(some(unnamed, Some(library.name)));
        }
        all
    }
}

/// Adds what was loaded in another process of the same window: what one of them has loaded was there.
pub fn add_loaded(all: &mut Vec<Loaded>, others: &[Loaded]) {
    for other in others {
        if !all.contains(other) {
            room::push(all, other.clone());
        }
    }
    let is_there = |target: &Option<String>, row: &Loaded| row.library.is_some() && row.target == *target;
    let there: Vec<bool> =
        all.iter().map(|row| row.library.is_some() || !all.iter().any(|other| is_there(&row.target, other))).collect();
    let mut there = there.into_iter();
    all.retain(|_| there.next().unwrap_or(true));
}

/// What is said of the targets of which no library was loaded, and a hint; none where there are none of that kind.
pub fn complaint(all: &[Loaded]) -> Option<(String, String)> {
    let missing: Vec<&str> =
        all.iter().filter(|loaded| loaded.library.is_none()).filter_map(|loaded| loaded.target.as_deref()).collect();
    let quoted = |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let message = match missing.as_slice() {
        [] => return None,
        [only] => format!("target \"{only}\" was not loaded, so nothing of it was looked at"),
        several => format!("targets {} were not loaded, so nothing of them was looked at", quoted(several)),
    };
    let libraries: Vec<&str> = all.iter().filter_map(|loaded| loaded.library.as_deref()).collect();
    let near = missing.iter().find_map(|name| closest(library_name(name), libraries.iter().copied()));
    let loaded = match libraries.as_slice() {
        [] => "No library of an extension was loaded.".to_owned(),
        libraries => format!("Libraries that were loaded: {}.", quoted(libraries)),
    };
    let hint = match near {
        Some(near) => format!("Perhaps you meant \"{near}\". {loaded}"),
        None => loaded,
    };
    Some((message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_has_loaded_was_there() {
        let row = |target: &str, library: Option<&str>| Loaded {
            target: Some(target.to_owned()),
            library: library.map(str::to_owned),
        };
        let mut all = vec![row("a", None), row("b", None), row("c", Some("c"))];
        add_loaded(&mut all, &[row("a", Some("a")), row("b", None), row("c", None)]);
        assert_eq!(all, [row("b", None), row("c", Some("c")), row("a", Some("a"))]);
    }

    fn module(name: &str) -> Library<'_> {
        Library { name, is_module: true }
    }

    #[test]
    fn a_library_is_named_in_many_ways() {
        for written in [
            "leak_shapes",
            " leak_shapes ",
            "leak_shapes.so",
            "$libdir/leak_shapes",
            "/usr/lib/postgresql/15/lib/leak_shapes.so",
            "Leak_Shapes",
            "leak%",
            "LEAK\\_SHAPES",
        ] {
            let targets = Targets::new(written);
            assert!(targets.include(module("leak_shapes")), "{written}");
            assert!(!targets.include(module("other")), "{written}");
        }
        assert!(Targets::new("multi-1.2").include(module("multi-1.2")));
        assert!(Targets::new("LibraryOfMine").include(module("LibraryOfMine")));
    }

    #[test]
    fn without_a_name_all_libraries_of_extensions_are_targets() {
        let all = Targets::new(" , ");
        for name in ["hstore", "plperl", "ext-2.28.3"] {
            assert!(all.include(module(name)), "{name}");
        }
        for name in ["plpgsql", "utf8_and_win", "euc2004_sjis2004", "llvmjit", "pg_ext_memcheck"] {
            assert!(!all.include(module(name)), "{name}");
            assert!(!Targets::new("%").include(module(name)), "{name}");
            assert!(Targets::new(name).include(module(name)), "{name}, by its name");
        }
        let needed = Library { name: "libxml2", is_module: false };
        assert!(!all.include(needed) && !Targets::new("lib%").include(needed));
        assert!(Targets::new("libxml2").include(needed));
    }

    #[test]
    fn a_release_is_no_part_of_a_name() {
        for (library, name) in [
            ("postgis-3", "postgis"),
            ("timescaledb-tsl-2.28.3", "timescaledb-tsl"),
            ("my_ext-1.0-rc2", "my_ext"),
            ("my_ext-1.0beta1", "my_ext"),
            ("my_ext-2.0-dev", "my_ext"),
            ("plpython3", "plpython3"),
            ("tools-2d", "tools-2d"),
            ("a-2d-1.5", "a-2d"),
            ("-1", "-1"),
            ("x-", "x-"),
            ("", ""),
        ] {
            assert_eq!(without_release(library), name, "{library}");
        }
    }

    #[test]
    fn lists_are_written_as_they_were_read() {
        for list in ["", "a", "a,b%,$libdir/c"] {
            assert_eq!(Targets::new(list).list(), list);
            assert_eq!(Targets::new(&Targets::new(list).list()), Targets::new(list));
        }
        assert_eq!(Targets::new(" a , b,,").list(), "a,b");
    }

    #[test]
    fn there_is_one_or_there_is_none() {
        let table = [("", None), ("a.so", Some("a")), ("a%", None), ("a,b", None)];
        for (list, only) in table {
            assert_eq!(Targets::new(list).only(), only, "{list}");
        }
    }

    #[test]
    fn what_was_not_loaded_is_named_with_what_was() {
        let libraries = [module("leak_shapes"), module("plpgsql"), module("bystander")];
        let said = |list: &str, libraries: &[Library]| {
            complaint(&Targets::new(list).loaded(libraries)).map(|(message, hint)| format!("{message} HINT: {hint}"))
        };
        for fine in ["", "leak_shapes", "leak%,bystander", "PLPGSQL"] {
            assert_eq!(said(fine, &libraries), None, "{fine}");
        }
        assert_eq!(
            said("leak_shape,bystander", &libraries).unwrap(),
            "target \"leak_shape\" was not loaded, so nothing of it was looked at HINT: Perhaps you meant \"leak_shapes\". \
             Libraries that were loaded: \"bystander\", \"leak_shapes\"."
        );
        assert_eq!(
            said("x%,nonesuch", &[]).unwrap(),
            "targets \"x%\", \"nonesuch\" were not loaded, so nothing of them was looked at HINT: No library of an extension \
             was loaded."
        );
    }

    #[test]
    fn a_library_is_a_target_or_named_as_none() {
        let libraries = [module("a"), module("b"), module("plpgsql"), Library { name: "libc", is_module: false }];
        let rows = |list: &str| -> Vec<(Option<String>, Option<String>)> {
            Targets::new(list).loaded(&libraries).into_iter().map(|row| (row.target, row.library)).collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(rows(""), [(some(""), some("a")), (some(""), some("b"))]);
        assert_eq!(rows("A.so,c"), [(some("A.so"), some("a")), (some("c"), None), (None, some("b"))]);
    }
}
