//! Small libraries, compiled here.

use std::collections::{BTreeMap, BTreeSet};
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

/// What objdump reads of a library's code.
#[derive(Default)]
struct Dumped {
    /// The functions that are called by their names or by slots of the global offset table, by the addresses behind.
    named: BTreeMap<u64, String>,
    /// The addresses behind calls and jumps through pointers, without those of switches.
    through_pointers: BTreeSet<u64>,
    /// Whether such a pointer may be one of a function of no interest.
    loads_others: bool,
}

fn dumped(library: &Path) -> Dumped {
    let output = Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(library).output().expect("objdump");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut dumped = Dumped::default();
    for section in text.split("Disassembly of section ").skip(1).filter(|section| !section.starts_with(".plt")) {
        let (mut function, mut instructions) = ("", Vec::new());
        for line in section.lines() {
            if let Some((address, instruction)) = line.split_once(":\t") {
                instructions.push((function, u64::from_str_radix(address.trim(), 16).unwrap(), instruction.trim()));
            } else if let Some((_, name)) = line.split_once(" <") {
                function = name.trim_end_matches(">:");
            }
        }
        for (number, &(function, _, instruction)) in instructions.iter().enumerate() {
            let mut words = instruction.split_whitespace().skip_while(|word| ["bnd", "notrack"].contains(word));
            let (mnemonic, operand) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let before =
                instructions[..number].iter().rev().map(|(.., before)| *before).find(|one| !one.starts_with("nop"));
            let is_return_to = mnemonic == "ret" && before.is_some_and(|before| before.ends_with(",(%rsp)"));
            dumped.loads_others |= mnemonic == "mov" && instruction.contains("<other@");
            let leads = mnemonic == "call" || mnemonic.starts_with('j') || is_return_to;
            if !leads || function.starts_with("__x86_indirect_thunk") {
                continue;
            }
            let behind = instructions.get(number + 1).map_or(0, |(_, address, _)| *address);
            let name = instruction.rsplit_once('<').map_or("", |(_, name)| name.split(['@', '>']).next().unwrap());
            let is_of_switch = mnemonic == "jmp" && before.is_some_and(|before| before.starts_with("add "));
            if instruction.contains("@plt>")
                || operand.ends_with("(%rip)") && (function, name) != ("by_variable", "malloc")
            {
                dumped.named.insert(behind, name.to_owned());
            } else if name.starts_with("__x86_indirect_thunk")
                || is_return_to
                || operand.starts_with('*') && !is_of_switch
            {
                dumped.through_pointers.insert(behind);
            }
        }
    }
    dumped
}

/// Whatever objdump shows is a place, or named as what is not followed; and there are no others.
#[test]
fn what_is_read_is_what_objdump_shows() {
    let table = [
        "-O0",
        "-O1",
        "-O2",
        "-O3",
        "-Os",
        "-Og",
        "-O0 -fno-plt",
        "-O1 -fno-plt",
        "-O2 -fno-plt",
        "-O3 -fno-plt",
        "-Os -fno-plt",
        "-O2 -flto",
        "-Os -flto -fno-plt",
        "-O2 -Wl,-z,now",
        "-O2 -Wl,-z,lazy -Wl,-z,norelro",
        "-O2 -Wl,-Bsymbolic -fvisibility=protected",
        "-O2 -fcf-protection=full -Wl,-z,ibtplt",
        "-O2 -mindirect-branch=thunk",
        "-O2 -mindirect-branch=thunk -fno-plt",
        "-O2 -mindirect-branch=thunk-inline",
        "-O2 -ffunction-sections -fno-reorder-blocks-and-partition",
        "-O2 -fno-asynchronous-unwind-tables -fno-unwind-tables",
        "-O2 -g0",
        "-O2 -s",
        "-Os -fno-plt -fno-asynchronous-unwind-tables -s",
        "-O2 -gz -gdwarf-4",
        "-O2 -mcmodel=large",
    ];
    for options in table {
        let directory = tempfile::tempdir().unwrap();
        let is_stripped = options.ends_with(" -s");
        let words: Vec<&str> = options.trim_end_matches(" -s").split(' ').chain(["-nostartfiles"]).collect();
        let path = compiled(directory.path(), include_str!("shapes.c"), &words);
        let dumped = dumped(&path);
        if is_stripped {
            assert!(Command::new("strip").arg(&path).status().expect("strip").success());
        }
        let library = Library::read(&path).unwrap();
        let calls: BTreeMap<u64, &str> =
            library.places.iter().flat_map(|(place, calls)| calls.iter().map(|&call| (call, &*place.callee))).collect();
        let named: BTreeMap<u64, &str> =
            dumped.named.iter().map(|(&call, name)| (call, &**name)).filter(|(_, name)| NAMES.contains(name)).collect();
        let missing: Vec<_> = named.iter().filter(|(call, name)| calls.get(call) != Some(name)).collect();
        assert!(missing.is_empty(), "{options}: {missing:x?}");
        let more: BTreeSet<u64> = calls.keys().filter(|call| !named.contains_key(call)).copied().collect();
        assert!(more.is_subset(&dumped.through_pointers), "{options}: {more:x?} {:x?}", dumped.through_pointers);
        let (told, all) = (more.len() + library.through_pointers, dumped.through_pointers.len());
        assert!(
            told == all || told < all && dumped.loads_others,
            "{options}: {told} of {:x?}",
            dumped.through_pointers
        );

        let handed: BTreeMap<&str, usize> = library.handed.iter().map(|(name, &count)| (&**name, count)).collect();
        // In the table and in the variable; what "hands" hands on.
        for name in ["palloc", "palloc0", "malloc"] {
            assert!(handed.contains_key(name), "{options}: {handed:?}");
        }
        // Where the table of offsets is too far away for it, it is not seen what is taken from there.
        assert!(handed["palloc"] >= 2 || options.contains("large"), "{options}: {handed:?}");
        let places = |name: &str| library.places.keys().filter(|place| place.function == name).count();
        assert_eq!(places("by_variable"), 0, "{options}");
        let expected = [("sometimes", 1), ("freed", 1), ("tail", 1), ("rarely", 1), ("complains", 1)];
        let found = expected.map(|(name, _)| (name, places(name)));
        assert!(found == expected || options.contains("large"), "{options}: {found:?}");
        assert_eq!(library.is_stripped, is_stripped, "{options}");
        let has_lines = !is_stripped && !options.contains("-g0") && !options.contains("large");
        assert_eq!(library.has_lines, has_lines, "{options}");
        // Each call can be looked at, or it is known that it cannot.
        let ways: BTreeSet<u64> = library.ways.iter().flat_map(|way| way.calls.iter().copied()).collect();
        for (place, calls) in &library.places {
            assert!(library.is_unseen(place) || calls.iter().all(|call| ways.contains(call)), "{options}: {place:?}");
        }
    }
}

/// The functions of interest in `shapes.c`.
const NAMES: [&str; 5] = ["palloc", "palloc0", "malloc", "pstrdup", "pfree"];

#[test]
fn a_library_without_sections_is_not_read_as_one_without_places() {
    let directory = tempfile::tempdir().unwrap();
    let path = compiled(directory.path(), SOURCE, &["-O2"]);
    let mut bytes = std::fs::read(&path).unwrap();
    // The number of sections, and where they are (Elf64_Ehdr).
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x40].fill(0);
    assert_eq!(Library::parse("lib", &bytes).err(), Some(Unread::NoSections));
}
