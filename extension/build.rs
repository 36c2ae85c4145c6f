//! Has pgrx's calls of CopyErrorData and errstart come to `src/pg/copied.rs`, which says why.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for function in ["CopyErrorData", "errstart"] {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap={function}");
    }
}
