//! A finding between processes: as JSON, in results and reports and between backends, and as the columns of `findings()`.
//!
//! Both are written and read here. What stays apart: the ring in shared memory, which has fixed room for four fields of a
//! finding and is read by the library that wrote it, and rows of goldens, which hold less than a finding on purpose
//! ([`crate::golden`]).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::Access;
use crate::census::SiteId;
use crate::finding::{Finding, MarkPoint};
use crate::path::ContextPath;
use crate::site::{Frame, Line, Site};

/// Something that is no finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {field}: {reason}")]
pub struct BadFinding {
    /// What cannot be read.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl BadFinding {
    fn new(field: &'static str, reason: impl ToString) -> Self {
        BadFinding { field, reason: reason.to_string() }
    }
}

/// A finding as JSON has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FindingRecord {
    /// The check.
    pub check: String,
    /// The severity.
    pub severity: String,
    /// Names from the root.
    pub context_path: Vec<String>,
    /// Growth over the window in bytes.
    pub bytes: u64,
    /// Contexts added over the window.
    pub objects: u64,
    /// Iterations of the window; in `query_bloat` the most rows.
    pub iterations: u64,
    /// Bytes per iteration, or per row.
    pub bytes_per_iter: f64,
    /// Contexts or allocations per iteration, or per row.
    pub objects_per_iter: f64,
    /// How it grew.
    pub shape: Option<String>,
    /// The kind of abort it needs.
    pub phase: Option<String>,
    /// The library.
    pub source_lib: String,
    /// The place in the library that allocated most of it; none where allocations were not traced.
    pub site: Option<SiteRecord>,
    /// The curve: iteration, bytes in use, contexts.
    pub marks: Vec<[u64; 3]>,
    /// The engine's sentence.
    pub detail: String,
    /// The access that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessRecord>,
}

/// A bad access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccessRecord {
    /// What was done: `read`, `write` or `release`.
    pub act: Option<String>,
    /// Where, in bytes from the start of the chunk.
    pub offset: i64,
    /// How many bytes.
    pub size: Option<u32>,
    /// Bytes that the chunk was requested with.
    pub requested: u64,
    /// Whether it was given back to an allocator that it is not from.
    #[serde(default)]
    pub mismatched: bool,
    /// Where it was done.
    pub at: Option<SiteRecord>,
    /// Where the chunk was allocated.
    pub allocated: Option<SiteRecord>,
    /// Where it was given back.
    pub freed: Option<SiteRecord>,
}

/// A place that allocates. The number that the engine has for it is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SiteRecord {
    /// The call in the library.
    pub frame: FrameRecord,
    /// A stack it allocated with, from the allocator's caller outwards.
    pub stack: Vec<FrameRecord>,
}

/// A return address, and where in the source it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FrameRecord {
    /// What the backend knows of it.
    #[serde(flatten)]
    pub address: AddressRecord,
    /// The source file; none where the library has no debug information.
    #[serde(default)]
    pub file: Option<String>,
    /// The line in it.
    #[serde(default)]
    pub line: Option<u32>,
}

/// A return address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AddressRecord {
    /// The object's name without directory and suffix.
    pub library: String,
    /// Its GNU build ID; empty if there is none.
    #[serde(default)]
    pub build_id: String,
    /// Offset in the file's address space.
    pub offset: u64,
    /// The function.
    pub symbol: Option<String>,
}

impl From<&Finding> for FindingRecord {
    fn from(finding: &Finding) -> Self {
        FindingRecord {
            check: finding.check.to_string(),
            severity: finding.severity.to_string(),
            context_path: finding.path.names().to_vec(),
            bytes: finding.bytes,
            objects: finding.objects,
            iterations: finding.iterations,
            bytes_per_iter: finding.bytes_per_iter,
            objects_per_iter: finding.objects_per_iter,
            shape: finding.shape.map(|shape| shape.to_string()),
            phase: finding.phase.map(|phase| phase.to_string()),
            source_lib: finding.source_lib.clone(),
            site: finding.site.as_ref().map(Into::into),
            marks: finding.marks.iter().map(|mark| [mark.iteration, mark.used, mark.objects]).collect(),
            detail: finding.detail.clone(),
            access: finding.access.as_deref().map(Into::into),
        }
    }
}

impl TryFrom<FindingRecord> for Finding {
    type Error = BadFinding;

    fn try_from(record: FindingRecord) -> Result<Self, BadFinding> {
        Ok(Finding {
            check: word("check", &record.check)?,
            severity: word("severity", &record.severity)?,
            path: ContextPath::new(record.context_path),
            bytes: record.bytes,
            objects: record.objects,
            iterations: record.iterations,
            bytes_per_iter: record.bytes_per_iter,
            objects_per_iter: record.objects_per_iter,
            shape: record.shape.map(|shape| word("shape", &shape)).transpose()?,
            phase: record.phase.map(|phase| word("phase", &phase)).transpose()?,
            source_lib: record.source_lib,
            site: record.site.as_ref().map(Into::into),
            marks: record
                .marks
                .into_iter()
                .map(|[iteration, used, objects]| MarkPoint { iteration, used, objects })
                .collect(),
            detail: record.detail,
            access: record.access.map(access).transpose()?,
        })
    }
}

fn word<T: std::str::FromStr<Err: ToString>>(field: &'static str, text: &str) -> Result<T, BadFinding> {
    text.parse().map_err(|error: T::Err| BadFinding::new(field, error.to_string()))
}

impl From<&Access> for AccessRecord {
    fn from(access: &Access) -> Self {
        AccessRecord {
            act: access.act.map(|act| act.to_string()),
            offset: access.offset,
            size: access.size,
            requested: access.requested,
            mismatched: access.is_mismatched,
            at: access.at.as_ref().map(Into::into),
            allocated: access.allocated.as_ref().map(Into::into),
            freed: access.released.as_ref().map(Into::into),
        }
    }
}

/// Reads an access.
///
/// # Errors
///
/// See [`BadFinding`].
pub fn access(record: AccessRecord) -> Result<Box<Access>, BadFinding> {
    Ok(Box::new(Access {
        act: record.act.map(|act| word("access", &act)).transpose()?,
        offset: record.offset,
        size: record.size,
        requested: record.requested,
        is_mismatched: record.mismatched,
        at: record.at.as_ref().map(Into::into),
        allocated: record.allocated.as_ref().map(Into::into),
        released: record.freed.as_ref().map(Into::into),
    }))
}

impl From<&Site> for SiteRecord {
    fn from(site: &Site) -> Self {
        SiteRecord { frame: (&site.frame).into(), stack: site.stack.iter().map(Into::into).collect() }
    }
}

impl From<&SiteRecord> for Site {
    fn from(site: &SiteRecord) -> Self {
        let stack = site.stack.iter().map(Into::into).collect();
        Site { frame: (&site.frame).into(), stack, ..Site::numbered(SiteId(0)) }
    }
}

impl From<&Frame> for FrameRecord {
    fn from(frame: &Frame) -> Self {
        let (file, line) = frame.line.clone().map(|line| (line.file, line.number)).unzip();
        FrameRecord { address: frame.into(), file, line }
    }
}

impl From<&FrameRecord> for Frame {
    fn from(frame: &FrameRecord) -> Self {
        let FrameRecord { address, file, line } = frame.clone();
        Frame { line: file.zip(line).map(|(file, number)| Line { file, number }), ..address.into() }
    }
}

impl From<&Frame> for AddressRecord {
    fn from(frame: &Frame) -> Self {
        let Frame { library, build_id, offset, symbol, .. } = frame.clone();
        AddressRecord { library, build_id, offset, symbol }
    }
}

impl From<AddressRecord> for Frame {
    fn from(AddressRecord { library, build_id, offset, symbol }: AddressRecord) -> Self {
        Frame { library, build_id, offset, symbol, line: None }
    }
}

/// A finding as JSON, without what it does not have: between backends room is scarce.
pub fn finding(finding: &Finding) -> Value {
    without_nulls(json!(FindingRecord::from(finding)))
}

/// A finding of a bad access as short as can be: without stacks, and without what is said of it.
pub fn short_access(finding: &Finding) -> Option<String> {
    let mut access = finding.access.as_deref()?.clone();
    access.sites_mut().for_each(|site| site.stack.clear());
    let access = without_nulls(json!(AccessRecord::from(&access)));
    Some(json!([finding.check.as_str(), finding.path.names(), finding.objects, access]).to_string())
}

/// Reads what [`short_access`] wrote.
///
/// # Errors
///
/// See [`BadFinding`].
pub fn read_short_access(text: &str) -> Result<Finding, BadFinding> {
    let read: Result<(String, Vec<String>, u64, AccessRecord), _> = serde_json::from_str(text);
    let (check, path, times, record) = read.map_err(|error| BadFinding::new("access", error))?;
    Ok(Finding::of_access(word("check", &check)?, ContextPath::new(path), *access(record)?, times))
}

/// Reads a finding.
///
/// # Errors
///
/// See [`BadFinding`].
pub fn read_finding(value: &Value) -> Result<Finding, BadFinding> {
    FindingRecord::deserialize(value).map_err(|error| BadFinding::new("finding", error))?.try_into()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(name, field)| (name, without_nulls(field)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// A stack as SQL has it: `[{"library": "x", "build_id": "...", "offset": N, "symbol": "f"}, ...]`. The backend knows no lines.
pub fn stack(stack: &[Frame]) -> Value {
    stack.iter().map(address).collect()
}

/// One frame of a [`stack`].
pub fn address(frame: &Frame) -> Value {
    json!(AddressRecord::from(frame))
}

/// Reads what [`stack`] wrote.
///
/// # Errors
///
/// See [`BadFinding`].
pub fn read_stack(value: &Value) -> Result<Vec<Frame>, BadFinding> {
    let addresses = Vec::<AddressRecord>::deserialize(value).map_err(|error| BadFinding::new("stack", error))?;
    Ok(addresses.into_iter().map(Frame::from).collect())
}

/// Reads what [`address`] wrote.
///
/// # Errors
///
/// See [`BadFinding`].
pub fn read_address(value: &Value) -> Result<Frame, BadFinding> {
    AddressRecord::deserialize(value).map(Frame::from).map_err(|error| BadFinding::new("frame", error))
}

/// A point of the curve as SQL has it.
#[derive(Serialize, Deserialize)]
struct MarkRecord {
    iteration: u64,
    used: u64,
    objects: u64,
}

/// A finding as a row of `findings()`, with the columns in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// The check.
    pub check_type: String,
    /// The severity.
    pub severity: String,
    /// Names from the root.
    pub context_path: Vec<String>,
    /// The path written out.
    pub subject: String,
    /// Growth over the window in bytes; the most that there is where it is more.
    pub bytes: i64,
    /// Contexts or allocations added over the window.
    pub objects: i64,
    /// Iterations of the window, or rows.
    pub iterations: i64,
    /// Bytes per iteration, or per row.
    pub bytes_per_iter: f64,
    /// Contexts or allocations per iteration, or per row.
    pub objects_per_iter: f64,
    /// How it grew.
    pub shape: Option<String>,
    /// The kind of abort it needs.
    pub phase: Option<String>,
    /// The library.
    pub source_lib: String,
    /// Build ID of the library that the site is in.
    pub build_id: Option<String>,
    /// The site's offset in it; null where allocations are not traced.
    pub site_offset: Option<i64>,
    /// The function that the site is in.
    pub site_symbol: Option<String>,
    /// The site's [`stack`].
    pub stack: Option<Value>,
    /// `[{"iteration": 0, "used": N, "objects": N}, ...]`
    pub marks: Value,
    /// The engine's sentence.
    pub detail: String,
    /// The access that it is about, as in JSON, without what it does not have.
    pub access: Option<Value>,
}

/// A figure as SQL has it.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Whatever shrank is no growth.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl From<&Finding> for Columns {
    fn from(finding: &Finding) -> Self {
        let mark =
            |mark: &MarkPoint| json!(MarkRecord { iteration: mark.iteration, used: mark.used, objects: mark.objects });
        let site = finding.site.as_ref();
        let frame = site.map(|site| &site.frame);
        Columns {
            check_type: finding.check.to_string(),
            severity: finding.severity.to_string(),
            context_path: finding.path.names().to_vec(),
            subject: finding.path.to_string(),
            bytes: signed(finding.bytes),
            objects: signed(finding.objects),
            iterations: signed(finding.iterations),
            bytes_per_iter: finding.bytes_per_iter,
            objects_per_iter: finding.objects_per_iter,
            shape: finding.shape.map(|shape| shape.to_string()),
            phase: finding.phase.map(|phase| phase.to_string()),
            source_lib: finding.source_lib.clone(),
            build_id: frame.map(|frame| frame.build_id.clone()).filter(|id| !id.is_empty()),
            site_offset: frame.map(|frame| signed(frame.offset)),
            site_symbol: frame.and_then(|frame| frame.symbol.clone()),
            stack: site.map(|site| stack(&site.stack)),
            marks: finding.marks.iter().map(mark).collect(),
            detail: finding.detail.clone(),
            access: finding.access.as_deref().map(|access| without_nulls(json!(AccessRecord::from(access)))),
        }
    }
}

impl TryFrom<Columns> for Finding {
    type Error = BadFinding;

    fn try_from(columns: Columns) -> Result<Self, BadFinding> {
        let marks = Vec::<MarkRecord>::deserialize(&columns.marks).map_err(|error| BadFinding::new("marks", error))?;
        let stack = columns.stack.as_ref().map_or(Ok(Vec::new()), read_stack)?;
        let accessed = columns.access.as_ref().map(AccessRecord::deserialize).transpose();
        let accessed = accessed.map_err(|error| BadFinding::new("access", error))?;
        let site = columns.site_offset.map(|offset| Site {
            frame: Frame {
                // The library that is charged is the site's.
                library: columns.source_lib.clone(),
                build_id: columns.build_id.unwrap_or_default(),
                offset: unsigned(offset),
                symbol: columns.site_symbol,
                line: None,
            },
            stack,
            ..Site::numbered(SiteId(0))
        });
        Ok(Finding {
            check: word("check_type", &columns.check_type)?,
            severity: word("severity", &columns.severity)?,
            path: match columns.context_path.as_slice() {
                [] => ContextPath::new([columns.subject]),
                _ => ContextPath::new(columns.context_path),
            },
            bytes: unsigned(columns.bytes),
            objects: unsigned(columns.objects),
            iterations: unsigned(columns.iterations),
            bytes_per_iter: columns.bytes_per_iter,
            objects_per_iter: columns.objects_per_iter,
            shape: columns.shape.map(|shape| word("shape", &shape)).transpose()?,
            phase: columns.phase.map(|phase| word("phase", &phase)).transpose()?,
            source_lib: columns.source_lib,
            site,
            marks: marks
                .into_iter()
                .map(|MarkRecord { iteration, used, objects }| MarkPoint { iteration, used, objects })
                .collect(),
            detail: columns.detail,
            access: accessed.map(access).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Act;
    use crate::check::{CheckKind, Severity};
    use crate::finding::Phase;
    use crate::judge::growth::Shape;

    /// Numbers without a pattern, the same in every run (xorshift64).
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, end: usize) -> usize {
            (self.next() % end as u64) as usize
        }

        /// A figure: 0, small or as large as SQL can have it.
        fn figure(&mut self) -> u64 {
            let bits = self.below(64);
            (self.next() & i64::MAX as u64) >> bits
        }

        fn rate(&mut self) -> f64 {
            self.figure() as f64 / (1 + self.below(1000)) as f64
        }

        fn text(&mut self) -> String {
            const CHARACTERS: [char; 12] = ['a', 'Z', '0', ' ', '/', '|', '\\', '"', '\n', '\u{e4}', '\u{1f418}', '\''];
            (0..self.below(12)).map(|_| CHARACTERS[self.below(CHARACTERS.len())]).collect()
        }

        fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
            (self.below(2) == 0).then(|| value(self))
        }

        fn several<T>(&mut self, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
            (0..self.below(4)).map(|_| value(self)).collect()
        }

        fn one<T: Copy>(&mut self, of: &[T]) -> T {
            of[self.below(of.len())]
        }

        fn frame(&mut self, lines: bool) -> Frame {
            let line = |n: &mut Self| Line { file: n.text(), number: n.next() as u32 };
            Frame {
                library: self.text(),
                build_id: self.text(),
                offset: self.figure(),
                symbol: self.maybe(Self::text),
                line: if lines { self.maybe(line) } else { None },
            }
        }

        fn site(&mut self, lines: bool) -> Site {
            let stack = self.several(|n| n.frame(lines));
            Site { frame: self.frame(lines), stack, ..Site::numbered(SiteId(0)) }
        }

        fn access(&mut self, lines: bool) -> Access {
            Access {
                act: self.maybe(|n| n.one(Act::ALL)),
                offset: self.figure() as i64 - self.figure() as i64,
                size: self.maybe(|n| n.next() as u32),
                requested: self.figure(),
                is_mismatched: self.below(2) == 0,
                at: self.maybe(|n| n.site(lines)),
                allocated: self.maybe(|n| n.site(lines)),
                released: self.maybe(|n| n.site(lines)),
            }
        }

        fn finding(&mut self, lines: bool) -> Finding {
            let source_lib = self.text();
            let site = |n: &mut Self| {
                let site = n.site(lines);
                Site { frame: Frame { library: source_lib.clone(), ..site.frame }, ..site }
            };
            let path = std::iter::once(self.text()).chain(self.several(Self::text)).collect::<Vec<_>>();
            Finding {
                check: self.one(CheckKind::ALL),
                severity: self.one(Severity::ALL),
                path: ContextPath::new(path),
                bytes: self.figure(),
                objects: self.figure(),
                iterations: self.figure(),
                bytes_per_iter: self.rate(),
                objects_per_iter: self.rate(),
                shape: self.maybe(|n| n.one(Shape::ALL)),
                phase: self.maybe(|n| n.one(Phase::ALL)),
                site: self.maybe(site),
                source_lib,
                marks: self.several(|n| MarkPoint { iteration: n.figure(), used: n.figure(), objects: n.figure() }),
                detail: self.text(),
                access: self.maybe(|n| Box::new(n.access(lines))),
            }
        }
    }

    #[test]
    fn findings_are_read_as_they_were_written() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for _ in 0..2000 {
            let found = numbers.finding(true);
            let text = serde_json::to_string(&FindingRecord::from(&found)).unwrap();
            let record: FindingRecord = serde_json::from_str(&text).unwrap();
            assert_eq!(Finding::try_from(record), Ok(found.clone()), "{text}");

            let text = finding(&found).to_string();
            assert!(!text.contains(":null"), "{text}");
            assert_eq!(read_finding(&serde_json::from_str(&text).unwrap()), Ok(found));

            let found = numbers.finding(false);
            let columns = Columns::from(&found);
            assert_eq!(columns.subject, found.path.to_string());
            // As text, which is how a client reads them.
            let again = |value: &Value| serde_json::from_str(&value.to_string()).unwrap();
            let columns = Columns { marks: again(&columns.marks), stack: columns.stack.as_ref().map(again), ..columns };
            assert_eq!(Finding::try_from(columns), Ok(found));
        }
    }

    fn traced() -> Finding {
        let frame =
            |line| Frame { library: "mine".to_owned(), build_id: "ab".to_owned(), offset: 16, symbol: None, line };
        Finding {
            check: CheckKind::CtxBloat,
            severity: Severity::Info,
            path: ContextPath::new(["a/b", "c"]),
            bytes: 800,
            objects: 100,
            iterations: 100,
            bytes_per_iter: 8.0,
            objects_per_iter: 1.0,
            shape: Some(Shape::Linear),
            phase: None,
            source_lib: "mine".to_owned(),
            site: Some(Site {
                frame: frame(Some(Line { file: "mine.c".to_owned(), number: 7 })),
                stack: vec![frame(None)],
                ..Site::numbered(SiteId(5))
            }),
            marks: vec![MarkPoint { iteration: 1, used: 8, objects: 1 }],
            detail: "grew".to_owned(),
            access: None,
        }
    }

    #[test]
    fn json_has_the_documented_structure() {
        let text = serde_json::to_string(&FindingRecord::from(&traced())).unwrap();
        assert_eq!(
            text,
            r#"{"check":"ctx_bloat","severity":"INFO","context_path":["a/b","c"],"bytes":800,"objects":100,"#
                .to_owned()
                + r#""iterations":100,"bytes_per_iter":8.0,"objects_per_iter":1.0,"shape":"linear","phase":null,"#
                + r#""source_lib":"mine","site":{"frame":{"library":"mine","build_id":"ab","offset":16,"symbol":null,"#
                + r#""file":"mine.c","line":7},"stack":[{"library":"mine","build_id":"ab","offset":16,"symbol":null,"#
                + r#""file":null,"line":null}]},"marks":[[1,8,1]],"detail":"grew"}"#
        );
    }

    #[test]
    fn columns_have_the_documented_structure() {
        let columns = Columns::from(&Finding { bytes: u64::MAX, ..traced() });
        assert_eq!(columns.subject, "a\\/b/c");
        assert_eq!((columns.bytes, columns.site_offset), (i64::MAX, Some(16)));
        assert_eq!(columns.marks, json!([{"iteration": 1, "used": 8, "objects": 1}]));
        let stack = json!([{"library": "mine", "build_id": "ab", "offset": 16, "symbol": null}]);
        assert_eq!(columns.stack, Some(stack));
        let untraced = Columns::from(&Finding { site: None, ..traced() });
        assert_eq!((untraced.build_id, untraced.site_offset, untraced.stack), (None, None, None));
    }

    #[test]
    fn what_is_no_finding_is_named() {
        let columns = || Columns::from(&traced());
        let table = [
            (Columns { check_type: "x".into(), ..columns() }, "invalid check_type: unknown check \"x\""),
            (Columns { severity: "BAD".into(), ..columns() }, "invalid severity: unknown severity \"BAD\""),
            (Columns { shape: Some("cubic".into()), ..columns() }, "invalid shape: unknown shape \"cubic\""),
            (Columns { marks: json!([{"used": 1}]), ..columns() }, "invalid marks: missing field `iteration`"),
            (Columns { stack: Some(json!([{"library": "x"}])), ..columns() }, "invalid stack: missing field `offset`"),
        ];
        for (columns, expected) in table {
            assert_eq!(Finding::try_from(columns).unwrap_err().to_string(), expected);
        }
        let nowhere = Columns { context_path: Vec::new(), subject: "relation".into(), bytes: -1, ..columns() };
        let found = Finding::try_from(nowhere).unwrap();
        assert_eq!((found.path.to_string(), found.bytes), ("relation".to_owned(), 0));
        assert!(read_finding(&json!({"check": "ctx_bloat"})).unwrap_err().to_string().starts_with("invalid finding: "));
        assert!(read_address(&json!({"library": "x"})).is_err());
        let frame = read_address(&json!({"library": "y", "offset": 1, "symbol": "f"})).unwrap();
        assert_eq!((frame.build_id.as_str(), frame.symbol.as_deref()), ("", Some("f")));
    }
}
