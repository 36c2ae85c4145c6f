//! The syntax tree of a spec file. Every node that a message may have to point at carries its span.

use std::time::Duration;

use memcheck_core::golden::row::Policy;
use memcheck_core::{CheckKind, Phase, ScenarioKind, Severity, Shape};

use super::day::Day;

/// Byte offsets into the file's text, end exclusive.
pub type Span = std::ops::Range<usize>;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

/// A whole spec file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spec {
    /// `title 'text'`
    pub title: Option<Spanned<String>>,
    /// `include 'file'`, in order.
    pub includes: Vec<Spanned<String>>,
    /// `extension NAME ...`, in order.
    pub extensions: Vec<Extension>,
    /// `preload first NAME {, NAME}`
    pub preload_first: Vec<Spanned<String>>,
    /// `preload NAME {, NAME}`
    pub preload: Vec<Spanned<String>>,
    /// `target 'lib' {, 'lib'}`
    pub targets: Vec<Spanned<String>>,
    /// `trace on|off|stacks`, for every scenario and every session.
    pub trace: Option<Spanned<Trace>>,
    /// `guard off|redzone|pages|pages_before`, for every scenario and every session.
    pub guard: Option<Spanned<Guard>>,
    /// `guard_sample N`, for every scenario and every session.
    pub guard_sample: Option<Spanned<u32>>,
    /// `requires COND {, COND}`: all have to hold.
    pub requires: Vec<Condition>,
    /// `skip [when COND] 'reason'`
    pub skips: Vec<Exemption>,
    /// `xfail [when COND] 'reason'`
    pub xfails: Vec<Exemption>,
    /// `tags a, b`
    pub tags: Vec<Spanned<String>>,
    /// `timeout 60s`
    pub timeout: Option<Spanned<Duration>>,
    /// `retries 2`
    pub retries: Option<Spanned<u32>>,
    /// `set guc = value`, in order.
    pub settings: Vec<Setting>,
    /// `conf { lines }`
    pub conf: Vec<Block>,
    /// `var name = value`, in order.
    pub vars: Vec<Variable>,
    /// `matrix name in (v, v)`, in order.
    pub matrix: Vec<Matrix>,
    /// `golden auto|exact|bucket|kind|none`
    pub golden: Option<Spanned<Policy>>,
    /// `normalize 'regex' => 'text'`, in order.
    pub normalize: Vec<Normalize>,
    /// `allow ... because 'reason'`, in order: for every scenario and every session.
    pub allowances: Vec<Allowance>,
    /// `setup { SQL }`, in order.
    pub setup: Vec<Block>,
    /// `teardown { SQL }`, in order.
    pub teardown: Vec<Block>,
    /// `scenario ...`, in order.
    pub scenarios: Vec<Scenario>,
    /// `session ...`, in order.
    pub sessions: Vec<Session>,
    /// `permutation ...`, in order.
    pub permutations: Vec<Permutation>,
}

/// The text inside `{ }` or `$tag$ $tag$`, without the delimiters.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The text as written.
    pub text: String,
    /// Where the text (not the delimiters) stands.
    pub span: Span,
}

/// `extension NAME [version 'v'] [from 'oldv'] [cascade]`
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// The extension's name.
    pub name: Spanned<String>,
    /// `version 'v'`
    pub version: Option<String>,
    /// `from 'oldv'`: created at that version, then updated.
    pub from: Option<String>,
    /// `cascade`
    pub cascade: bool,
}

/// `skip` and `xfail`.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemption {
    /// `when COND`; none means always.
    pub when: Option<Condition>,
    /// Why.
    pub reason: Spanned<String>,
}

/// `set name = value` or `set name to value`
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The parameter's name, qualified or not.
    pub name: Spanned<String>,
    /// The values, of which a list has several.
    pub values: Vec<SettingValue>,
}

/// A value of `set`
#[derive(Debug, Clone, PartialEq)]
pub enum SettingValue {
    /// A text without its quotes.
    Text(Spanned<String>),
    /// `:name`, also with the name in quotes, which say no more here.
    Variable(Spanned<String>),
}

/// `var name = value`
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// The variable's name.
    pub name: Spanned<String>,
    /// The value without quotes.
    pub value: Spanned<String>,
}

/// `matrix name in (v, v)`
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The variable's name.
    pub name: Spanned<String>,
    /// Its values, in order.
    pub values: Vec<Spanned<String>>,
}

/// `normalize 'regex' => 'text'`
#[derive(Debug, Clone, PartialEq)]
pub struct Normalize {
    /// The regular expression, checked when the file is parsed.
    pub pattern: Spanned<String>,
    /// The replacement.
    pub replacement: Spanned<String>,
}

/// `allow [CHECK] ['like' {, 'like'}] [in 'like' {, 'like'}] [from 'like'] [at 'like'] because 'reason' [until DATE] [when COND]`:
/// violations that are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance {
    /// Only those of this check.
    pub check: Option<Spanned<CheckKind>>,
    /// Only those whose context, function or check is like one of these; empty means all.
    pub likes: Vec<Spanned<String>>,
    /// `in 'like' {, 'like'}`; empty means anywhere.
    pub contexts: Vec<Spanned<String>>,
    /// `from 'lib'`
    pub from: Option<Spanned<String>>,
    /// `at 'function like'`
    pub at: Option<Spanned<String>>,
    /// Why.
    pub because: Spanned<String>,
    /// The day from which on it allows nothing any more.
    pub until: Option<Spanned<Day>>,
    /// `when COND`
    pub when: Option<Condition>,
    /// The whole clause.
    pub span: Span,
}

/// One condition: `[not] subject CMP value`, `[not] feature X`, ...
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// `not`
    pub negated: bool,
    /// What is asked.
    pub test: Test,
    /// The whole condition.
    pub span: Span,
}

/// What a condition asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `pg >= 15`, `bits = 64`, `build <> 'valgrind'`, `os = 'linux'`, `arch = 'x86_64'`, or an extension's installed
    /// version (`vector >= 0.8`).
    Compare {
        /// The word on the left.
        subject: Spanned<String>,
        /// The operator.
        op: Comparison,
        /// The value on the right, without quotes.
        value: Spanned<String>,
    },
    /// `feature X`: a property of the server, such as `injection_points`.
    Feature(Spanned<String>),
    /// `extension X`: X can be created.
    Extension(Spanned<String>),
    /// `scenario X`: the engine can run X.
    Scenario(Spanned<ScenarioKind>),
}

/// `= <> < <= > >=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `<>` or `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// `scenario KIND [name] ...`
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The kind.
    pub kind: Spanned<ScenarioKind>,
    /// The name; scenarios of one kind in one file need different ones.
    pub name: Option<Spanned<String>>,
    /// `setup { SQL }`
    pub setup: Vec<Block>,
    /// `teardown { SQL }`
    pub teardown: Vec<Block>,
    /// `iterations N`
    pub iterations: Option<Spanned<u64>>,
    /// `warmup N`
    pub warmup: Option<Spanned<u64>>,
    /// `workers N`
    pub workers: Option<Spanned<u32>>,
    /// `limit SIZE`
    pub limit: Option<Spanned<u64>>,
    /// `timeout D`
    pub timeout: Option<Spanned<Duration>>,
    /// `when COND`: all have to hold.
    pub when: Vec<Condition>,
    /// `reset every N`
    pub reset_every: Option<Spanned<u64>>,
    /// `rows in (N, N)`
    pub rows: Vec<Spanned<u64>>,
    /// `growth constant|linear`
    pub growth: Option<Spanned<Growth>>,
    /// `abort rollback|savepoint|error|all`
    pub abort: Option<Spanned<Abort>>,
    /// `iterate statement|transaction|server`
    pub iterate: Option<Spanned<Iterate>>,
    /// `protocol simple|extended|prepared`
    pub protocol: Option<Spanned<Protocol>>,
    /// `worker 'name like' for 5s`
    pub worker: Option<(Spanned<String>, Duration)>,
    /// `mode executor|all|none`
    pub mode: Option<Spanned<Mode>>,
    /// `trace on|off|stacks`
    pub trace: Option<Spanned<Trace>>,
    /// `guard off|redzone|pages|pages_before`
    pub guard: Option<Spanned<Guard>>,
    /// `guard_sample N`
    pub guard_sample: Option<Spanned<u32>>,
    /// `watch 'like' {, 'like'}`
    pub watch: Vec<Spanned<String>>,
    /// `allow 'like' {, 'like'}`
    pub allow: Vec<Spanned<String>>,
    /// `allow ... because 'reason'`, in order.
    pub allowances: Vec<Allowance>,
    /// `probe 'shmem segment' size N`
    pub probes: Vec<(Spanned<String>, u64)>,
    /// `set guc = value`
    pub settings: Vec<Setting>,
    /// `workload [name] ...`, in order.
    pub workloads: Vec<Workload>,
    /// `expect ...`, in order.
    pub expects: Vec<Expect>,
    /// From `scenario` to the name.
    pub span: Span,
}

impl Scenario {
    /// A scenario without clauses.
    pub fn new(kind: Spanned<ScenarioKind>, name: Option<Spanned<String>>, span: Span) -> Self {
        Scenario {
            kind,
            name,
            setup: Vec::new(),
            teardown: Vec::new(),
            iterations: None,
            warmup: None,
            workers: None,
            limit: None,
            timeout: None,
            when: Vec::new(),
            reset_every: None,
            rows: Vec::new(),
            growth: None,
            abort: None,
            iterate: None,
            protocol: None,
            worker: None,
            mode: None,
            trace: None,
            guard: None,
            guard_sample: None,
            watch: Vec::new(),
            allow: Vec::new(),
            allowances: Vec::new(),
            probes: Vec::new(),
            settings: Vec::new(),
            workloads: Vec::new(),
            expects: Vec::new(),
            span,
        }
    }
}

/// `workload [name] { SQL }` or `workload [name] file 'x.sql'`
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The name, needed where there are several.
    pub name: Option<Spanned<String>>,
    /// The statements.
    pub source: WorkloadSource,
}

/// Where a workload's statements are.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkloadSource {
    /// In the spec.
    Inline(Block),
    /// In a file, relative to the spec.
    File(Spanned<String>),
}

/// How a peak may grow with the rows in `query_peak`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Growth {
    /// Not at all, but for one result.
    #[default]
    Constant,
    /// As the rows do.
    Linear,
}

/// How `tx_abort_loop` undoes the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// One way.
    One(Phase),
    /// All three in turn.
    All,
}

/// Who repeats the workload, and in how many transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Iterate {
    /// The client; every iteration is its own top-level transaction.
    #[default]
    Statement,
    /// The client; all iterations in one transaction.
    Transaction,
    /// The server: one call of `run_scenario()`.
    Server,
}

/// How the client sends the workload's statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// One Query message a statement.
    #[default]
    Simple,
    /// Parse, Bind and Execute for every execution.
    Extended,
    /// Parsed once, then Bind and Execute.
    Prepared,
}

/// `pg_ext_memcheck.memcheck_mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Planner and executor.
    #[default]
    All,
    /// The executor only.
    Executor,
    /// Nothing between the marks.
    None,
}

/// `pg_ext_memcheck.trace`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trace {
    /// Context totals only.
    Off,
    /// Allocations of the targets are charged to the functions that made them.
    #[default]
    On,
    /// Those that came about by different calls within the targets are told apart as well.
    Stacks,
}

impl Trace {
    /// The word for it, in the language and in the engine.
    pub const fn as_str(self) -> &'static str {
        match self {
            Trace::Off => "off",
            Trace::On => "on",
            Trace::Stacks => "stacks",
        }
    }
}

/// `pg_ext_memcheck.guard`: how bad accesses to what the targets allocate are caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Guard {
    /// Not at all.
    Off,
    /// Writes beyond a chunk, and into a freed one, when it is looked at next.
    #[default]
    Redzone,
    /// Any access, at the instruction that makes it; of those that are not far from the chunk, the ones behind it.
    Pages,
    /// The same, with the ones before it.
    PagesBefore,
}

impl Guard {
    /// All of them.
    pub const ALL: [Guard; 4] = [Guard::Off, Guard::Redzone, Guard::Pages, Guard::PagesBefore];

    /// The word for it, in the language, in mcspec.toml and in the engine.
    pub const fn as_str(self) -> &'static str {
        match self {
            Guard::Off => "off",
            Guard::Redzone => "redzone",
            Guard::Pages => "pages",
            Guard::PagesBefore => "pages_before",
        }
    }

    /// Whether chunks get pages of their own.
    pub fn has_pages(self) -> bool {
        matches!(self, Guard::Pages | Guard::PagesBefore)
    }
}

/// One `expect` clause.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// What is expected.
    pub what: Expectation,
    /// `when COND`
    pub when: Option<Condition>,
    /// The whole clause.
    pub span: Span,
}

/// What an `expect` clause says.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// `expect none`: no violation of any kind (closed world).
    Nothing,
    /// `expect no CHECK [in ...]`
    No {
        /// The check that must not be found.
        check: Spanned<CheckKind>,
        /// Only in these contexts; empty means anywhere.
        contexts: Vec<Spanned<String>>,
    },
    /// `expect error 'SQLSTATE'`: every iteration fails so.
    Error(Spanned<String>),
    /// `expect CHECK ...`
    Violation(Box<ExpectedViolation>),
}

/// `expect CHECK [...]`: at least one violation has all of these properties; all violations with them are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedViolation {
    /// The check.
    pub check: Spanned<CheckKind>,
    /// `[>=|<=|=] severity`
    pub severity: Option<(Comparison, Spanned<Severity>)>,
    /// `in 'like' {, 'like'}`; empty means anywhere.
    pub contexts: Vec<Spanned<String>>,
    /// `by SESSION`
    pub by: Option<Spanned<String>>,
    /// `bytes RANGE [per iteration|per row]`
    pub bytes: Option<(Spanned<Range>, Rate)>,
    /// `shape linear|superlinear`
    pub shape: Option<Spanned<Shape>>,
    /// `count RANGE`
    pub count: Option<Spanned<Range>>,
    /// `from 'lib'`
    pub from: Option<Spanned<String>>,
    /// `at 'function like'`
    pub at: Option<Spanned<String>>,
    /// `on rollback|savepoint|error`
    pub on: Option<Spanned<Phase>>,
    /// `detail like 'x'`
    pub detail: Option<Spanned<String>>,
}

/// What a number of bytes is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// The whole window.
    Total,
    /// `per iteration`
    PerIteration,
    /// `per row`
    PerRow,
}

/// An inclusive range of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Lowest admitted value; none means no limit.
    pub min: Option<f64>,
    /// Highest admitted value; none means no limit.
    pub max: Option<f64>,
    /// Whether `min` itself is excluded (`> N`).
    pub min_excluded: bool,
    /// Whether `max` itself is excluded (`< N`).
    pub max_excluded: bool,
}

impl Range {
    /// Whether a value lies inside.
    pub fn contains(&self, value: f64) -> bool {
        let above = self.min.is_none_or(|min| if self.min_excluded { value > min } else { value >= min });
        let below = self.max.is_none_or(|max| if self.max_excluded { value < max } else { value <= max });
        above && below
    }
}

/// `session NAME ...`
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The name.
    pub name: Spanned<String>,
    /// `watch 'like'`
    pub watch: Vec<Spanned<String>>,
    /// `allow 'like'`
    pub allow: Vec<Spanned<String>>,
    /// `allow ... because 'reason'`, in order.
    pub allowances: Vec<Allowance>,
    /// `set guc = value`
    pub settings: Vec<Setting>,
    /// `copies N`
    pub copies: Option<Spanned<u32>>,
    /// `setup { SQL }`
    pub setup: Vec<Block>,
    /// `step NAME { SQL }`
    pub steps: Vec<Step>,
    /// `teardown { SQL }`
    pub teardown: Vec<Block>,
}

impl Session {
    /// A session without clauses.
    pub fn new(name: Spanned<String>) -> Self {
        Session {
            name,
            watch: Vec::new(),
            allow: Vec::new(),
            allowances: Vec::new(),
            settings: Vec::new(),
            copies: None,
            setup: Vec::new(),
            steps: Vec::new(),
            teardown: Vec::new(),
        }
    }
}

/// `step NAME { SQL }`
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The name, unique in the file.
    pub name: Spanned<String>,
    /// The statements.
    pub sql: Block,
}

/// `permutation STEP[(marker, ..)] ...`
#[derive(Debug, Clone, PartialEq)]
pub struct Permutation {
    /// The steps, in the order in which they are launched.
    pub steps: Vec<PermutedStep>,
    /// `repeat N`
    pub repeat: Option<Spanned<u32>>,
    /// `timeout D`
    pub timeout: Option<Spanned<Duration>>,
    /// `expect ...`
    pub expects: Vec<Expect>,
    /// The whole clause.
    pub span: Span,
}

impl Permutation {
    /// A permutation without clauses.
    pub fn new(steps: Vec<PermutedStep>, span: Span) -> Self {
        Permutation { steps, repeat: None, timeout: None, expects: Vec::new(), span }
    }
}

/// A step of a permutation with its markers.
#[derive(Debug, Clone, PartialEq)]
pub struct PermutedStep {
    /// The step's name.
    pub name: Spanned<String>,
    /// What has to happen before it is reported complete.
    pub markers: Vec<Marker>,
}

/// `*`, `STEP` or `STEP notices N`
#[derive(Debug, Clone, PartialEq)]
pub enum Marker {
    /// `*`: reported as waiting at once.
    Waiting,
    /// `STEP`: not reported complete before that step is.
    After(Spanned<String>),
    /// `STEP notices N`: not reported complete before that step's session got N notices.
    Notices(Spanned<String>, u32),
}
