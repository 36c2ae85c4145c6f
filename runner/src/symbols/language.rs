//! Names of functions as their author wrote them, and which of them he did not write.

use std::fmt::{self, Write};

use cpp_demangle::{BorrowedSymbol, DemangleOptions};
use memcheck_core::Frame;

/// Crates and namespaces of the runtimes of Rust, with those by which it reads stacks, and C++, and pgrx with what it calls the server through.
const RUNTIMES: &[&str] = &[
    "alloc",
    "core",
    "std",
    "hashbrown",
    "pgrx",
    "pgrx_pg_sys",
    "cee_scape",
    "__rustc",
    "__gnu_cxx",
    "__cxxabiv1",
    "addr2line",
    "gimli",
];

/// A symbol's name without mangling, without the hash of a generic instance and without the suffix of a part that the
/// compiler split off.
pub(crate) fn readable(symbol: &str) -> String {
    let whole = symbol.split('.').next().unwrap_or(symbol);
    if symbol.len() > LONGEST {
        return whole.to_owned();
    }
    if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        let mut text = Short(String::new());
        return if write!(text, "{name:#}").is_ok() { text.0 } else { whole.to_owned() };
    }
    let options = DemangleOptions::new().no_params().no_return_type().recursion_limit(RECURSION);
    // What begins otherwise is C.
    let cpp = || {
        let mut text = Short(String::new());
        BorrowedSymbol::new(whole.as_bytes()).ok()?.structured_demangle(&mut text, &options).ok()?;
        Some(text.0)
    };
    whole.starts_with("_Z").then(cpp).flatten().unwrap_or_else(|| whole.to_owned())
}

/// Bytes of the longest name, mangled or not: a short one can stand for one that fills the memory.
const LONGEST: usize = 16 << 10;

/// How deep parts of a C++ name may be in each other.
const RECURSION: u32 = 100;

/// Text that does not become too long.
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0 += text;
        Ok(())
    }
}

/// Whether a call is made by a runtime: what it allocates, it allocates for its caller.
pub(crate) fn is_runtime(frame: &Frame) -> bool {
    frame.symbol.as_deref().is_some_and(is_runtime_function)
        || frame.line.as_ref().is_some_and(|line| is_runtime_file(&line.file))
}

/// With tables of lines only, a compiler does not write down whose an inlined function is. Its file tells.
fn is_runtime_file(file: &str) -> bool {
    const DIRECTORIES: &[&str] = &["/rustc/", "/rustlib/src/rust/library/", "/include/c++/"];
    let crates = ["pgrx", "pgrx-pg-sys", "cee-scape"];
    // Of a release, or by cargo of a build, whose script has written it: the bindings of pgrx.
    let is_release = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let is_build = |rest: &str| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_rest = |rest: &str| rest.strip_prefix('-').is_some_and(|rest| is_release(rest) || is_build(rest));
    let is_crate = |part: &str| crates.iter().any(|name| part.strip_prefix(name).is_some_and(is_rest));
    DIRECTORIES.iter().any(|directory| file.contains(directory)) || file.split('/').any(is_crate)
}

/// The same by the name that [`readable`] gives.
fn is_runtime_function(function: &str) -> bool {
    const BEGINNINGS: &[&str] = &["__rust_", "__rdl_", "operator new", "_internal_wrapper"];
    // What pgrx's macros put around a function, but for the exported one.
    const GENERATED: &[&str] = &["_wrapper::_internal_wrapper", "_wrapper::{"];
    if BEGINNINGS.iter().any(|name| function.starts_with(name)) || GENERATED.iter().any(|name| function.contains(name))
    {
        return true;
    }
    let in_runtime = |path: &str| {
        let root = path.trim_start_matches(['<', '&', '[', '(', '*']);
        // What is implemented for `str` or `[T]` itself is of the runtime.
        root.split_once("::")
            .is_some_and(|(root, _)| RUNTIMES.contains(&root) || path.starts_with("<") && root.ends_with(">"))
    };
    match function.strip_prefix('<').and_then(|implementation| implementation.split_once(" as ")) {
        // `<my_type as Trait>::f` is of the crate of the type; that of a primitive or of a parameter is of the trait's.
        Some((implementor, implemented)) if !implementor.contains("::") => in_runtime(implemented),
        _ => in_runtime(function),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable() {
        let table = [
            ("palloc", "palloc"),
            ("append_cells.constprop.0", "append_cells"),
            ("main.cold", "main"),
            ("_ZN4mine4load17h0123456789abcdefE", "mine::load"),
            (
                "_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$8grow_one17h0123456789abcdefE",
                "alloc::raw_vec::RawVec<T,A>::grow_one",
            ),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_Znwm", "operator new"),
            ("_ZN4mine5TableC2Ei", "mine::Table::Table"),
            ("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back"),
            ("_Zzz", "_Zzz"),
        ];
        for (symbol, name) in table {
            assert_eq!(readable(symbol), name);
        }
    }

    #[test]
    fn runtimes_are_told_from_what_an_author_writes() {
        let runtime = [
            "__rust_alloc",
            "__rdl_alloc",
            "operator new[]",
            "core::ops::function::FnOnce::call_once",
            "<alloc::vec::Vec<T,A> as core::clone::Clone>::clone",
            "<&alloc::string::String as core::fmt::Display>::fmt",
            "<T as alloc::string::ToString>::to_string",
            "<[T] as alloc::slice::hack::ConvertVec>::to_vec",
            "<u8 as <[_]>::to_vec_in::ConvertVec>::to_vec::<alloc::alloc::Global>",
            "<str>::to_uppercase",
            "<gimli::read::abbrev::Attributes>::push",
            "<alloc::string::String>::from_utf8",
            "pgrx::memcxt::PgMemoryContexts::switch_to",
            "mine::load_wrapper::_internal_wrapper::{{closure}}",
            "mine::load_wrapper::{closure#0}",
            "std::vector<int, std::allocator<int> >::push_back",
        ];
        let authors = [
            "palloc",
            "standard",
            "mine::load",
            "mine::load::{{closure}}",
            "load_wrapper",
            "core_syscache",
            "<mine::Key as core::hash::Hash>::hash",
            "pgrx_tests::f",
        ];
        for function in runtime {
            assert!(is_runtime_function(function), "{function}");
        }
        for function in authors {
            assert!(!is_runtime_function(function), "{function}");
        }
        let registry = "/home/me/.cargo/registry/src/index";
        for (file, expected) in [
            ("/rustc/0123/library/alloc/src/alloc.rs".to_owned(), true),
            (format!("{registry}/pgrx-0.18.1/src/memcxt.rs"), true),
            (format!("{registry}/pgrx-contrib-0.1.0/src/lib.rs"), false),
            ("/src/target/release/build/pgrx-pg-sys-feedfacecafebeef/out/pg15.rs".to_owned(), true),
            ("/src/target/release/build/pgrx-pg-sys-tools/out/pg15.rs".to_owned(), false),
            ("/usr/include/c++/12/bits/stl_vector.h".to_owned(), true),
            ("/src/pgrx-tests/src/lib.rs".to_owned(), false),
        ] {
            assert_eq!(is_runtime_file(&file), expected, "{file}");
        }
    }
}
