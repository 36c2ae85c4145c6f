//! Has pgrx's calls of CopyErrorData come to `src/pg/copied.rs`, which says why.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap=CopyErrorData");
}
