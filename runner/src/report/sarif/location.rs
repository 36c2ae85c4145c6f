//! Places: lines of the checkout, of the spec, and what is known of a frame that has none.

use std::path::Path;

use memcheck_core::{Access, Frame, Site};

use super::schema::{
    ArtifactLocation, CodeFlow, FlowLocation, Location, LogicalLocation, PhysicalLocation, ROOT, Region, Stack,
    StackFrame, Text, ThreadFlow,
};
use crate::plan::Place;
use crate::report::Checkout;
use crate::report::checkout::SourceLine;

/// Places in the files of a checkout.
pub(super) struct Locations(Checkout);

impl Locations {
    pub(super) fn new(checkout: Checkout) -> Self {
        Locations(checkout)
    }

    /// The root of the checkout, as a URI.
    pub(super) fn root(&self) -> String {
        directory(self.0.root())
    }

    /// The current directory.
    pub(super) fn current(&self) -> ArtifactLocation {
        ArtifactLocation { uri: directory(self.0.current()), uri_base_id: None }
    }

    /// A place in a spec.
    pub(super) fn of_place(&self, place: &Place) -> Location {
        let (line, column) = place.source.line_column(place.offset);
        self.of_path(&place.source.path, line, Some(column))
    }

    /// A place in a file.
    pub(super) fn of_file(&self, file: &str, line: usize, column: usize) -> Location {
        self.of_path(Path::new(file), line, Some(column))
    }

    /// Where a result is: at the line that allocates, with the spec beside it, or else at the spec.
    pub(super) fn of_result(&self, site: Option<&Site>, spec: Location, why: &str) -> (Vec<Location>, Vec<Location>) {
        let function = site.map(|site| function(&site.frame));
        let Some(line) = site.and_then(|site| self.0.place(site)) else {
            let location = Location { logical_locations: function.into_iter().collect(), ..spec };
            return (vec![location], Vec::new());
        };
        let location = Location { logical_locations: function.into_iter().collect(), ..of_line(&line) };
        let spec = Location { id: Some(0), message: Some(Text::plain(why)), ..spec };
        (vec![location], vec![spec])
    }

    /// The stacks of what was found: of the allocation, and of a bad access those of all that is known of it.
    pub(super) fn stacks(&self, site: Option<&Site>, access: Option<&Access>) -> Vec<Stack> {
        let Some(access) = access else {
            return site.map(|site| self.stack("allocated by", site)).into_iter().collect();
        };
        let all = [("accessed by", &access.at), ("allocated by", &access.allocated), ("freed by", &access.released)];
        all.into_iter().filter_map(|(message, site)| Some(self.stack(message, site.as_ref()?))).collect()
    }

    /// The stack of a site, from the inside out.
    fn stack(&self, message: &str, site: &Site) -> Stack {
        let frames = if site.stack.is_empty() { std::slice::from_ref(&site.frame) } else { &site.stack };
        let frame = |frame: &Frame| StackFrame { location: self.of_frame(frame), module: frame.library.clone() };
        Stack { message: Text::plain(message), frames: frames.iter().map(frame).collect() }
    }

    /// The way to a site through the files of the checkout, from the outside in; none where there is no way to speak of.
    pub(super) fn flow(&self, site: &Site) -> Option<CodeFlow> {
        let inside = site.stack.iter().rev().filter(|frame| self.0.line(frame).is_some());
        let step = |frame: &Frame| {
            let location = Location { message: Some(Text::plain(frame.place())), ..self.of_frame(frame) };
            FlowLocation { location }
        };
        let locations: Vec<FlowLocation> = inside.map(step).collect();
        (locations.len() > 1).then_some(CodeFlow { thread_flows: [ThreadFlow { locations }] })
    }

    fn of_frame(&self, frame: &Frame) -> Location {
        let physical = self.0.line(frame).map(|line| of_line(&line).physical_location);
        let elsewhere = || {
            let line = frame.line.as_ref().filter(|line| Path::new(&line.file).is_absolute())?;
            self.of_path(Path::new(&line.file), line.number.try_into().ok()?, None).physical_location
        };
        let physical_location = physical.unwrap_or_else(elsewhere);
        Location { physical_location, logical_locations: vec![function(frame)], ..Location::default() }
    }

    fn of_path(&self, path: &Path, line: usize, column: Option<usize>) -> Location {
        let artifact_location = match self.0.file(path) {
            Some(file) => ArtifactLocation { uri: encoded(&file), uri_base_id: Some(ROOT) },
            None => {
                let whole = self.0.current().join(path);
                ArtifactLocation { uri: format!("file://{}", encoded(&whole.to_string_lossy())), uri_base_id: None }
            }
        };
        let region = Some(Region { start_line: line.max(1), start_column: column });
        Location { physical_location: Some(PhysicalLocation { artifact_location, region }), ..Location::default() }
    }
}

fn of_line(line: &SourceLine) -> Location {
    let artifact_location = ArtifactLocation { uri: encoded(&line.file), uri_base_id: Some(ROOT) };
    let region = (line.line > 0).then_some(Region { start_line: line.line as usize, start_column: None });
    Location { physical_location: Some(PhysicalLocation { artifact_location, region }), ..Location::default() }
}

fn function(frame: &Frame) -> LogicalLocation {
    LogicalLocation { fully_qualified_name: frame.place(), kind: "function" }
}

/// The URI of a directory, which ends with a slash.
fn directory(path: &Path) -> String {
    format!("file://{}/", encoded(path.to_string_lossy().trim_end_matches('/')))
}

/// A path as part of a URI (RFC 3986).
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte.into()),
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_parts_of_uris() {
        assert_eq!(encoded("specs/a b#[dims=3]%ü.mcspec"), "specs/a%20b%23%5Bdims%3D3%5D%25%C3%BC.mcspec");
        assert_eq!(directory(Path::new("/")), "file:///");
        assert_eq!(directory(Path::new("/a/b")), "file:///a/b/");
    }
}
