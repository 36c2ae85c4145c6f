//! Where a violation comes from: the function and the line that allocate, and who called them; of a bad access also where that was.

use std::path::Path;

use memcheck_core::golden::row::Observed;
use memcheck_core::{Act, CheckKind, ContextPath, Frame, Site, detail};

use super::line::{Line, Tone};
use crate::symbols::is_runtime;

/// Columns that a line should not exceed.
const WIDTH: usize = 80;
/// Callers shown at most; the JSON report has the whole stack.
const CALLERS: usize = 8;

const ALLOCATED: &str = "allocated at";
const DIED: &str = "at";
const FROM: &str = "from";
const FREED: &str = "freed at";

/// All that is known of where a violation comes from.
pub(super) fn of(observed: &Observed, indent: usize) -> Vec<Line> {
    let row = &observed.row;
    let Some(access) = &observed.access else {
        let verb = if row.check == CheckKind::Crash { DIED } else { ALLOCATED };
        return observed.site.iter().flat_map(|site| place(verb, site, indent)).collect();
    };
    let is_in_heap = row.subject == ContextPath::heap().to_string();
    let what = Line::new(Tone::Origin, indent, detail::act(row.check, access, is_in_heap));
    let verb = match access.act {
        Some(Act::Read) => "read at",
        Some(Act::Write) => "written at",
        Some(Act::Release) => "released at",
        None => "accessed at",
    };
    let places = [(verb, &access.at), (ALLOCATED, &access.allocated), (FREED, &access.released)];
    let known = places.into_iter().filter_map(|(verb, site)| Some((verb, site.as_ref()?)));
    std::iter::once(what).chain(known.flat_map(|(verb, site)| place(verb, site, indent))).collect()
}

/// `allocated at  FUNCTION  FILE:LINE` and `from  CALLER <- CALLER`
pub(super) fn lines(site: &Site, indent: usize) -> Vec<Line> {
    place(ALLOCATED, site, indent)
}

fn place(verb: &str, site: &Site, indent: usize) -> Vec<Line> {
    let margin = |verb: &str| format!("{verb:>width$}  ", width = ALLOCATED.len());
    let frame = &site.frame;
    let mut lines = vec![format!("{}{}", margin(verb), frame.place())];
    if let Some(line) = &frame.line {
        let place = format!("{}:{}", short(&line.file), line.number);
        if indent + lines[0].chars().count() + 2 + place.chars().count() <= WIDTH {
            lines[0] += &format!("  {place}");
        } else {
            lines.push(format!("{}{place}", margin("")));
        }
    }
    let chain = chain(&callers(site), WIDTH - indent - margin("").len());
    let margins = std::iter::once(FROM).chain(std::iter::repeat("")).map(margin);
    lines.extend(chain.iter().zip(margins).map(|(callers, margin)| format!("{margin}{callers}")));
    lines.into_iter().map(|text| Line::new(Tone::Origin, indent, text)).collect()
}

/// How to see more of a site than an offset.
pub(super) fn hint(site: &Site) -> Option<Line> {
    let library = &site.frame.library;
    let text = format!("HINT:  compile \"{library}\" with -g and do not strip it, to see functions and lines");
    site.frame.symbol.is_none().then(|| Line::new(Tone::Hint, 2, text))
}

/// The path as it is written in the current directory; only the name of a file elsewhere.
fn short(file: &str) -> String {
    let path = Path::new(file);
    let here = std::env::current_dir().unwrap_or_default();
    let name = || path.file_name().map_or(path, Path::new);
    let shown = if path.is_relative() { path } else { path.strip_prefix(here).unwrap_or_else(|_| name()) };
    shown.display().to_string()
}

/// The functions that called the site's, from the inside out. What a runtime puts in between, and the server's functions
/// whose names are not known, are left out.
fn callers(site: &Site) -> Vec<String> {
    let is_site = |frame: &Frame| frame.offset == site.frame.offset && frame.symbol == site.frame.symbol;
    let after = site.stack.iter().position(is_site).map_or(site.stack.len(), |position| position + 1);
    let is_shown = |frame: &&Frame| match &frame.symbol {
        Some(symbol) => !is_runtime(frame) && !symbol.starts_with("{closure"),
        None => frame.library == site.frame.library,
    };
    let mut callers: Vec<String> = site.stack[after..].iter().filter(is_shown).map(Frame::place).collect();
    callers.dedup();
    callers
}

/// `A <- B <- C`, in lines of at most `width` columns where a name is not longer.
fn chain(callers: &[String], width: usize) -> Vec<String> {
    let more = (callers.len() > CALLERS).then_some("..");
    let shown = callers.iter().take(CALLERS).map(String::as_str).chain(more);
    let mut lines: Vec<String> = Vec::new();
    for (i, caller) in shown.enumerate() {
        let link = if i == 0 { caller.to_owned() } else { format!("<- {caller}") };
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + link.chars().count() <= width => {
                line.push(' ');
                line.push_str(&link);
            }
            _ => lines.push(link),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use memcheck_core::census::SiteId;

    fn frame(library: &str, symbol: Option<&str>) -> Frame {
        Frame { library: library.into(), offset: 0x1234, symbol: symbol.map(str::to_owned), ..Frame::default() }
    }

    fn text(site: &Site) -> Vec<String> {
        lines(site, 0).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn callers_follow_the_site() {
        let here = std::env::current_dir().unwrap().join("src/mine.rs").display().to_string();
        let line = Some(memcheck_core::Line { file: here, number: 7 });
        let own = Frame { line, ..frame("mine", Some("mine::load")) };
        let stack = vec![
            frame("postgres", Some("palloc")),
            own.clone(),
            frame("mine", Some("core::ops::function::FnOnce::call_once")),
            frame("postgres", None),
            frame("postgres", Some("ExecProcNode")),
            frame("postgres", Some("ExecProcNode")),
            frame("postgres", Some("standard_ExecutorRun")),
        ];
        let site = Site { id: SiteId(0), frame: own, stack };
        assert_eq!(
            text(&site),
            ["allocated at  mine::load  src/mine.rs:7", "        from  ExecProcNode <- standard_ExecutorRun"]
        );
        assert!(hint(&site).is_none());
        // What does not fit stands in the next line.
        let symbol = Some("mine::".repeat(10));
        let long = Site { frame: Frame { symbol, ..site.frame.clone() }, stack: Vec::new(), ..site };
        assert_eq!(text(&long)[1], "              src/mine.rs:7");
    }

    #[test]
    fn without_symbols_there_is_an_offset_and_a_hint() {
        let unknown = frame("mine", None);
        let site = Site { id: SiteId(0), frame: unknown.clone(), stack: vec![unknown] };
        assert_eq!(text(&site), ["allocated at  mine+0x1234"]);
        assert!(hint(&site).is_some_and(|hint| hint.text.contains("\"mine\" with -g")));
        let elsewhere = Some(memcheck_core::Line { file: "/elsewhere/mine.c".into(), number: 7 });
        let frame = Frame { line: elsewhere, ..frame("mine", Some("f")) };
        assert_eq!(text(&Site { frame, ..site }), ["allocated at  f  mine.c:7"]);
    }

    #[test]
    fn chains_are_broken_and_cut() {
        let names = |n: usize| (0..n).map(|i| format!("caller_{i}")).collect::<Vec<_>>();
        assert_eq!(chain(&names(3), 24), ["caller_0 <- caller_1", "<- caller_2"]);
        assert_eq!(chain(&names(2), 3), ["caller_0", "<- caller_1"]);
        assert!(chain(&names(9), 500)[0].ends_with("<- caller_7 <- .."));
        assert!(chain(&[], 80).is_empty());
    }
}
