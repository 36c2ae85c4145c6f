//! Names of functions as their author wrote them, and which of them he did not write.

use cpp_demangle::{DemangleOptions, Symbol};

/// Crates and namespaces of Rust's and C++'s runtimes, and pgrx, through which a Rust function calls the allocator.
const RUNTIMES: &[&str] =
    &["alloc", "core", "std", "hashbrown", "pgrx", "pgrx_pg_sys", "__rustc", "__gnu_cxx", "__cxxabiv1"];

/// A symbol's name without mangling, without the hash of a generic instance and without the suffix of a part that the
/// compiler split off.
pub(super) fn readable(symbol: &str) -> String {
    if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        return format!("{name:#}");
    }
    let symbol = symbol.split('.').next().unwrap_or(symbol);
    let options = DemangleOptions::new().no_params().no_return_type();
    // What begins otherwise is C.
    let is_cpp = symbol.starts_with("_Z");
    let cpp = is_cpp.then(|| Symbol::new(symbol).ok()?.demangle_with_options(&options).ok()).flatten();
    cpp.unwrap_or_else(|| symbol.to_owned())
}

/// Whether a function, as [`readable`] names it, is part of a runtime: what it allocates, it allocates for its caller.
pub(crate) fn is_runtime(function: &str) -> bool {
    if function.starts_with("__rust_") || function.starts_with("__rdl_") || function.starts_with("operator new") {
        return true;
    }
    let in_runtime = |path: &str| {
        let root = path.trim_start_matches(['<', '&', '[', '(', '*']);
        root.split_once("::").is_some_and(|(root, _)| RUNTIMES.contains(&root))
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
            "<alloc::string::String>::from_utf8",
            "pgrx::memcxt::PgMemoryContexts::switch_to",
            "std::vector<int, std::allocator<int> >::push_back",
        ];
        let authors = [
            "palloc",
            "standard",
            "mine::load",
            "core_syscache",
            "<mine::Key as core::hash::Hash>::hash",
            "pgrx_tests::f",
        ];
        for function in runtime {
            assert!(is_runtime(function), "{function}");
        }
        for function in authors {
            assert!(!is_runtime(function), "{function}");
        }
    }
}
