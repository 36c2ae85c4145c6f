//! The tests of the test, on small trees.

use crate::growth::Growth;
use crate::rooms::Care;
use crate::tree::{Sources, Tree};

fn sources(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

/// The circles of a crate, each as its files in a row.
#[track_caller]
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let tree = Tree::read(&sources(files), "lib.rs").expect("a tree");
    tree.references().circles().into_iter().map(|circle| circle.join(" ")).collect()
}

/// What a file refers to: the other file, the line and the path.
#[track_caller]
fn references(files: &[(&str, &str)], from: &str) -> Vec<String> {
    let references = Tree::read(&sources(files), "lib.rs").expect("a tree").references();
    references.of(from).map(|(to, line, path)| format!("{to} {line} {path}")).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn two_files_that_use_each_other() {
    let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "\nuse super::a;")];
    assert_eq!(circles(&files), ["a.rs b.rs"]);
    let references = Tree::read(&sources(&files), "lib.rs").expect("a tree").references();
    assert_eq!(
        references.render(&["a.rs", "b.rs"]),
        "  a.rs refers to b.rs\n    a.rs:1: crate::b::B\n  b.rs refers to a.rs\n    b.rs:2: super::a\n"
    );
    assert_eq!(circles(&[files[0], files[1], ("b.rs", "use std::fmt;")]), NONE);
}

#[test]
fn three_files_in_a_row() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "fn a() { crate::b::b() }"),
        ("b.rs", "fn b() -> crate::c::C { super::c::C }"),
        ("c.rs", "struct C(crate::a::A);"),
        ("d.rs", "use crate::a; use crate::b; use crate::c;"),
    ];
    assert_eq!(circles(&files), ["a.rs b.rs c.rs"]);
}

#[test]
fn a_family_is_no_circle() {
    let parent = ("a/mod.rs", "mod x; mod y; pub use x::X; fn a() { y::y() }");
    let files = [
        ("lib.rs", "mod a; pub use a::X; pub struct Root;"),
        parent,
        ("a/x.rs", "use super::a; use crate::Root;"),
        ("a/y.rs", "use super::X; fn y() { x() }"),
    ];
    assert_eq!(circles(&files), NONE);
    // By way of the parent is no circle; between two children is one.
    let files = [files[0], parent, ("a/x.rs", "use super::y;"), ("a/y.rs", "use super::x::X;")];
    assert_eq!(circles(&files), ["a/x.rs a/y.rs"]);
}

#[test]
fn a_circle_that_leaves_a_family() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod x; pub use x::X;"),
        ("a/x.rs", "use crate::b::B;"),
        ("b.rs", "use crate::a::X;"),
    ];
    assert_eq!(circles(&files), ["a/x.rs b.rs a.rs"]);
}

#[test]
fn grouped_and_aliased_uses() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d; pub use d as e;"),
        ("a.rs", "use crate::{b::{self as other, B as C},\n c::*};\nfn f() { other::g(); }\nuse crate::e::r#type;"),
        ("b.rs", ""),
        ("c.rs", ""),
        ("d/mod.rs", "mod r#type;"),
        ("d/type.rs", ""),
    ];
    assert_eq!(
        references(&files, "a.rs"),
        ["b.rs 1 crate::b", "b.rs 3 other::g", "c.rs 2 crate::c", "d/type.rs 4 crate::e::type"]
    );
}

#[test]
fn ways_up() {
    let files = [
        ("lib.rs", "mod a; mod z;"),
        ("a/mod.rs", "mod b; mod w;"),
        ("a/b/mod.rs", "mod c; mod d;"),
        ("a/b/c.rs", "use super::super::w; use super::super::super::z; use self::super::d;\nuse super::d::{self, D};"),
        ("a/b/d.rs", "mod inside { use super::super::c::C; }"),
        ("a/w.rs", ""),
        ("z.rs", ""),
    ];
    let expected = [
        "a/b/d.rs 1 self::super::d",
        "a/b/d.rs 2 super::d",
        "a/w.rs 1 super::super::w",
        "z.rs 1 super::super::super::z",
    ];
    assert_eq!(references(&files, "a/b/c.rs"), expected);
    assert_eq!(circles(&files), ["a/b/c.rs a/b/d.rs"]);
}

#[test]
fn paths_in_code() {
    let all = "mod a; mod b; mod c; mod d; mod e;";
    let text = "
use crate::b;
#[derive(Debug)] pub(in crate::e) struct A<T: b::Bound>(Vec<crate::c::C>, T);
impl<T: b::Bound> A<T> { fn a() { let x = format!(\"{}\", crate::d::d(1)); b::Kind::One; } }
macro_rules! m { () => { $crate::e::e() } }
use ::c::x; fn f() { ::d::d(); own::thing(); Self::x(); }
";
    let files = [("lib.rs", all), ("a.rs", text), ("b.rs", ""), ("c.rs", ""), ("d.rs", ""), ("e.rs", "")];
    assert_eq!(
        references(&files, "a.rs"),
        [
            "b.rs 2 crate::b",
            "b.rs 3 b::Bound",
            "b.rs 4 b::Bound",
            "c.rs 3 crate::c::C",
            "d.rs 4 crate::d::d",
            "e.rs 5 crate::e::e"
        ]
    );
}

#[test]
fn tests_are_left_out() {
    let text = "
#[cfg(test)] mod tests;
#[cfg(test)] mod inline { use crate::b; }
#[cfg(all(test, unix))] fn f() { crate::b::b() }
#[cfg(test)] use crate::b::B;
struct A; impl A { #[cfg(test)] fn f() { crate::b::b() } }
#[test] fn g() { crate::b::b() }
#[cfg(not(test))] use crate::c::C;
";
    let files = [("lib.rs", "mod a; mod b; mod c;"), ("a.rs", text), ("b.rs", ""), ("c.rs", "")];
    assert_eq!(references(&files, "a.rs"), ["c.rs 8 crate::c::C"]);
}

#[test]
fn modules_of_all_features() {
    let a = "
#[cfg(feature = \"one\")] #[path = \"a_one.rs\"] mod imp;
#[cfg(feature = \"two\")] #[path = \"a_two.rs\"] mod imp;
mod sub { #[path = \"z.rs\"] mod far; mod near; }
";
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", a),
        ("a_one.rs", "use crate::b::B;"),
        ("a_two.rs", "use super::super::b::B;"),
        ("a/sub/z.rs", ""),
        ("a/sub/near.rs", "use super::far::F;"),
        ("b.rs", "use crate::a::imp::I;"),
    ];
    assert_eq!(references(&files, "b.rs"), ["a_one.rs 1 crate::a::imp::I", "a_two.rs 1 crate::a::imp::I"]);
    assert_eq!(references(&files, "a/sub/near.rs"), ["a/sub/z.rs 1 super::far::F"]);
    assert_eq!(circles(&files), ["a_one.rs b.rs", "a_two.rs b.rs"]);
}

#[test]
fn names_that_go_round_end() {
    let files =
        [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::*; use n::m as n;"), ("b.rs", "use crate::a::*;")];
    assert_eq!(circles(&files), ["a.rs b.rs"]);
}

#[test]
fn a_tree_that_is_not_whole() {
    for (files, expected) in [
        (vec![("lib.rs", "mod a;")], "mod a has neither a.rs nor a/mod.rs"),
        (vec![("lib.rs", "#[path = \"b/../c.rs\"] mod a;")], "there is no c.rs"),
        (vec![("lib.rs", "mod a;"), ("a.rs", "\nfn {}")], "a.rs:2:4: expected identifier"),
        (vec![], "there is no lib.rs"),
    ] {
        assert_eq!(Tree::read(&sources(&files), "lib.rs").err().as_deref(), Some(expected));
    }
}

#[test]
fn what_needs_care() {
    let care = Care::read(
        "
unsafe extern \"C-unwind\" fn hook() { unsafe { f() } }
unsafe fn of_our_own() {}
unsafe extern \"C-unwind\" { fn declared(); static THEIRS: i32; }
struct A; unsafe impl Sync for A {}
impl A { unsafe fn method(&self) { let x = vec![unsafe { f() }]; } }
unsafe trait T {}
static ONE: fn(&'static str) = g;
static mut TWO: i32 = 2;
thread_local! { static THREE: Cell<&'static str> = const { Cell::new(\"\") }; pub(crate) static FOUR: i32 = 4; }
fn h() { static FIVE: OnceLock<()> = OnceLock::new(); type Hook = unsafe extern \"C\" fn(); }
macro_rules! m { () => { unsafe { g() } unsafe extern \"C\" fn i() {} unsafe fn j() {} } }
#[cfg(test)] mod tests { static SIX: i32 = 6; fn k() { unsafe { f() } } }
",
    )
    .expect("Rust");
    let unsafes = [
        (2, "block"),
        (3, "fn"),
        (4, "declaration"),
        (5, "impl"),
        (6, "fn"),
        (6, "block"),
        (7, "trait"),
        (12, "block"),
        (12, "fn"),
    ];
    assert_eq!(care.unsafes, unsafes);
    let statics: Vec<(usize, &str)> = care.statics.iter().map(|(line, name)| (*line, name.as_str())).collect();
    assert_eq!(statics, [(8, "ONE"), (9, "TWO"), (10, "THREE"), (10, "FOUR"), (11, "FIVE")]);
}

#[test]
fn what_writes_files() {
    let text = "
fn f() { std::fs::write(a, b); fs::read(a); File::create(a); File::open(a); }
fn g() { x.map(fs::File::options); vec.write(a); }
#[cfg(test)] mod tests { fn k() { fs::write(a, b) } }
";
    let writes = Care::read(text).expect("Rust").writes;
    let writes: Vec<(usize, &str)> = writes.iter().map(|(line, what)| (*line, what.as_str())).collect();
    assert_eq!(writes, [(2, "fs::write"), (2, "File::create"), (3, "File::options")]);
}

#[test]
fn what_grows_without_asking_is_found() {
    let growing = |text: &str| Growth::read(text).expect("a file").functions.into_iter().collect::<Vec<_>>();
    assert_eq!(growing("fn a(v: &mut Vec<u8>) { v.push(1); }"), ["a"]);
    assert_eq!(growing("fn a(v: &mut Vec<u8>) { room::push(v, 1); }"), NONE);
    assert_eq!(growing("fn a(v: &mut Vec<u8>) { if room::make(v, 1) { v.extend([1]); } }"), NONE);
    assert_eq!(growing("impl A { fn b(&self) -> Vec<u8> { self.0.iter().collect() } }"), ["b"]);
    assert_eq!(growing("fn a() { let f = |n| Vec::with_capacity(n); }"), ["a"]);
    assert_eq!(growing("fn a() -> usize { 1 } #[cfg(test)] mod tests { fn b() { vec![1].push(2); } }"), NONE);
}
