use super::*;

fn mutations() -> Mutations {
    let release = |line: u32| Release {
        library: "mine".to_owned(),
        place: Place { file: "a.c".to_owned(), line, function: format!("f{line}"), callee: "pfree".to_owned() },
    };
    let specs = || vec!["one".to_owned(), "two".to_owned()];
    Mutations {
        fates: BTreeMap::from([
            (release(1), Fate::Caught { spec: "one".to_owned(), says: "found a leak".to_owned() }),
            (release(2), Fate::NotCovered),
            (release(3), Fate::FreedAnyway { specs: specs() }),
            (release(4), Fate::Survived { specs: specs() }),
            (release(5), Fate::NotTried),
            (release(6), Fate::NotLeftOut),
        ]),
        failing: vec!["three".to_owned()],
        untold: vec!["four".to_owned()],
        notes: vec!["mine: 1 call through pointers, which are not followed".to_owned()],
    }
}

#[test]
fn survivors_come_first() {
    let expected = "\
fail as they are, so that they notice nothing: 1
  three
not run, or expected to fail: 1
  four
survived, though nothing gives back what stays: 1
  pfree in f4 (a.c:4)  one, two
freed by its context anyway: 1
  pfree in f3 (a.c:3)  one, two
not covered: no spec that passes comes by: 1
  pfree in f2 (a.c:2)
could not be left out: 1
  pfree in f6 (a.c:6)
not tried, for want of time: 1
  pfree in f5 (a.c:5)
caught: 1
  pfree in f1 (a.c:1)  one: found a leak
note: mine: 1 call through pointers, which are not followed
1 of 2 calls that give something back were noticed to be missing when they were left out";
    assert_eq!(text(&mutations()).join("\n"), expected);
    let record = MutationRecord::new(&mutations(), 7);
    let fates: Vec<&str> = record.calls.iter().map(|call| call.fate.as_str()).collect();
    assert_eq!(fates, ["survived", "freed anyway", "not covered", "not left out", "not tried", "caught"]);
    assert_eq!((record.caught, record.of, record.seed), (1, 2, 7));
    assert!(mutations().have_survivors() && mutations().have_failing());
}

#[test]
fn what_passes_has_stayed_or_gone_by_itself() {
    let specs = || vec!["one".to_owned()];
    assert_eq!(fate(None, specs()), Fate::NotLeftOut);
    assert_eq!(fate(Some(true), specs()), Fate::FreedAnyway { specs: specs() });
    assert_eq!(fate(Some(false), specs()), Fate::Survived { specs: specs() });
}
