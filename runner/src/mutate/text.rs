//! Mutations for people, survivors first.

use super::{Fate, Mutations, Release, shown};

/// Lines of text.
pub fn text(mutations: &Mutations) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, specs) in [
        ("fail as they are, so that they notice nothing", &mutations.failing),
        ("not run, or expected to fail", &mutations.untold),
    ] {
        if !specs.is_empty() {
            lines.push(format!("{title}: {}", specs.len()));
            lines.extend(specs.iter().map(|spec| format!("  {spec}")));
        }
    }
    let mut part = |title: &str, of: &dyn Fn(&Fate) -> Option<String>| {
        let of = |(release, fate): (&Release, &Fate)| Some(line(release, &of(fate)?));
        let some: Vec<String> = mutations.fates.iter().filter_map(of).collect();
        if !some.is_empty() {
            lines.push(format!("{title}: {}", some.len()));
            lines.extend(some);
        }
    };
    part("survived, though nothing gives back what stays", &|fate| match fate {
        Fate::Survived { specs } => Some(specs.join(", ")),
        _ => None,
    });
    part("freed by its context anyway", &|fate| match fate {
        Fate::FreedAnyway { specs } => Some(specs.join(", ")),
        _ => None,
    });
    part("not covered: no spec that passes comes by", &|fate| matches!(fate, Fate::NotCovered).then(String::new));
    part("could not be left out", &|fate| matches!(fate, Fate::NotLeftOut).then(String::new));
    part("not tried, for want of time", &|fate| matches!(fate, Fate::NotTried).then(String::new));
    part("caught", &|fate| match fate {
        Fate::Caught { spec, says } => Some(format!("{spec}: {says}")),
        _ => None,
    });
    lines.extend(mutations.notes.iter().map(|note| format!("note: {note}")));
    let (caught, all) = mutations.score();
    lines.push(format!(
        "{caught} of {all} calls that give something back were noticed to be missing when they were left out"
    ));
    lines
}

fn line(release: &Release, rest: &str) -> String {
    let place = shown(&release.place);
    if rest.is_empty() { format!("  {place}") } else { format!("  {place}  {rest}") }
}
