//! Small libraries, compiled here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Compiles a library with these options.
fn compiled(directory: &Path, source: &str, options: &[&str]) -> PathBuf {
    let (file, library) = (directory.join("lib.c"), directory.join("lib.so"));
    std::fs::write(&file, source).unwrap();
    let map = format!("-ffile-prefix-map={}=.", directory.display());
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-g", &map]).args(options).arg("-o").arg(&library).arg(&file);
    let output = gcc.output().expect("gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

fn read(source: &str, options: &[&str]) -> Library {
    let directory = tempfile::tempdir().unwrap();
    Library::read(&compiled(directory.path(), source, options)).unwrap()
}

/// `function:line callee`
fn shown(library: &Library) -> Vec<String> {
    library.places.keys().map(|place| format!("{}:{} {}", place.function, place.line, place.callee)).collect()
}

const SOURCE: &str = "\
extern void *palloc(unsigned long);
extern void *palloc0(unsigned long);
extern void pfree(void *);
extern int other(void *);
void *jumps(unsigned long n) { return palloc(n); }
static inline __attribute__((always_inline)) void *inner(unsigned long n) { return palloc0(n); }
int outer(unsigned long n) { return other(inner(n)) + 1; }
int several(unsigned long n)
{
	void *a = palloc(n);
	void *b = palloc(n + 1);
	void *c = palloc(n + 2);
	int sum = other(a) + other(b) + other(c);
	pfree(a);
	pfree(b);
	pfree(c);
	return sum;
}
int through(void *(*allocate)(unsigned long)) { return other(allocate(8)) + 1; }
";

const EXPECTED: [&str; 8] = [
    "jumps:5 palloc",
    "inner:6 palloc0",
    "several:10 palloc",
    "several:11 palloc",
    "several:12 palloc",
    "several:14 pfree",
    "several:15 pfree",
    "several:16 pfree",
];

/// By stubs, by slots, by registers that are loaded once and called several times; as jumps and as calls.
#[test]
fn calls_are_found_however_they_are_compiled() {
    let table: [&[&str]; 7] = [
        &["-O0"],
        &["-O2"],
        &["-O2", "-fno-plt"],
        &["-Os", "-fno-plt"],
        &["-O0", "-fno-plt"],
        &["-O2", "-fcf-protection=full", "-Wl,-z,now"],
        &["-O2", "-Wl,-z,lazy"],
    ];
    for options in table {
        let library = read(SOURCE, options);
        assert_eq!(shown(&library), EXPECTED, "{options:?}");
        assert_eq!(library.through_pointers, 1, "{options:?}");
        assert!(library.places.keys().all(|place| place.file.ends_with("lib.c")), "{options:?}");
        assert!(library.places.keys().all(|place| !library.is_unseen(place)), "{options:?}");
        // Every call has a way that leads to it.
        let planted: BTreeSet<u64> = library.ways.iter().flat_map(|way| way.calls.iter().copied()).collect();
        let calls: BTreeSet<u64> = library.places.values().flatten().copied().collect();
        assert_eq!(planted, calls, "{options:?}");
    }
}

#[test]
fn a_stripped_library_has_the_functions_that_it_exports() {
    let library = read(SOURCE, &["-O2", "-s"]);
    assert!(library.is_stripped && !library.has_lines);
    let functions: BTreeSet<&str> = library.places.keys().map(|place| place.function.as_str()).collect();
    assert_eq!(functions, BTreeSet::from(["jumps", "outer", "several"]));
}

#[test]
fn a_function_that_is_compiled_twice_has_its_places_once() {
    let source = "\
extern void *palloc(unsigned long);
extern void other(void *);
static inline __attribute__((always_inline)) void work(unsigned long n) { other(palloc(n)); }
void one(void) { work(1); }
void two(void) { work(2); }
";
    let library = read(source, &["-O2"]);
    assert_eq!(shown(&library), ["work:3 palloc"]);
    assert_eq!(library.places.values().next().map(Vec::len), Some(2));
}

#[test]
fn a_pointer_that_may_be_another_is_not_followed() {
    let source = "\
extern void *palloc(unsigned long);
extern void *malloc(unsigned long);
extern void other(void *);
void choose(int which)
{
	void *(*allocate)(unsigned long) = which ? palloc : malloc;
	other(allocate(1));
	other(allocate(2));
}
";
    for options in [&["-O2", "-fno-plt"][..], &["-O0", "-fno-plt"], &["-O2"]] {
        let library = read(source, options);
        assert_eq!((shown(&library), library.through_pointers), (vec![], 2), "{options:?}");
    }
}

#[test]
fn what_is_no_library_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.so");
    std::fs::write(&path, "x").unwrap();
    assert_eq!(Library::read(&path).err(), Some(Unread::NoLibrary));
}

#[test]
fn a_plan_has_a_flag_for_each_place() {
    let library = read(SOURCE, &["-O2"]);
    let is_wanted = |place: &Place| place.does() == Does::Allocates;
    let dropped = library.places.keys().find(|place| place.callee == "pfree").unwrap();
    let planted = Planted::new(&library, is_wanted, None);
    assert_eq!(planted.flags(), 16 + 5 + library.entries.len());
    assert!(planted.text.starts_with(&format!("library {}\nat ", library.build_id)), "{}", planted.text);
    let lines = |word: &str| planted.text.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((lines("place "), lines("entry ")), (5, library.entries.len()));
    let mut flags = vec![0; planted.flags()];
    (flags[0], flags[16], flags[16 + 5]) = (1, 1, 1);
    let reached = planted.reached(&flags);
    assert_eq!(reached.status, BTreeSet::from([Status::Planted]));
    assert_eq!(reached.places.iter().map(|place| place.function.as_str()).collect::<Vec<_>>(), ["jumps"]);
    assert_eq!(reached.entries.len(), 1);
    assert_eq!(planted.reached(&[]), Reached::default());
    let planted = Planted::new(&library, |place| place.does() != Does::Allocates, Some(dropped));
    let values: Vec<usize> =
        planted.text.lines().filter(|line| line.starts_with("place ")).map(|line| line.split(' ').count()).collect();
    assert_eq!(values, [5, 3, 3]);
    flags[16] = 1 | 2;
    assert_eq!(planted.reached(&flags).goes, Some(true));
    flags[16] |= 4;
    assert_eq!(planted.reached(&flags).goes, Some(false));
}
