//! Configuration parameters.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use memcheck_core::judge::thresholds::Thresholds;
use memcheck_core::targets::Targets;
use pgrx::prelude::*;
use pgrx::{GucContext, GucEnum, GucFlags, GucRegistry, GucSetting};

use crate::guard::Level;
use crate::guard::faults::policy::{self, Policy};
use crate::guard::pages::Side;
#[cfg(feature = "test_links")]
use crate::heap::trial;
use crate::inject::{FailAlloc, Plan};
use crate::pg::{parameters, roles};

/// `pg_ext_memcheck.memcheck_mode`: which phases of a statement are bracketed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
#[allow(non_camel_case_types)]
pub(crate) enum MemcheckMode {
    /// Planning and everything after it.
    all,
    /// From the start of the executor, or of a utility command.
    executor,
    /// Nothing.
    none,
}

/// `pg_ext_memcheck.trace`: when the targets' allocations are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
#[allow(non_camel_case_types)]
pub(crate) enum TraceMode {
    /// Never: context totals only.
    off,
    /// In windows, and while statements are checked: every allocation of a target is recorded with its site.
    windows,
    /// All the time.
    on,
    /// All the time; one site is several where different calls within the targets led to it, and each is judged by itself.
    stacks,
}

/// `pg_ext_memcheck.guard`: how the targets' allocations are guarded while they are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
#[allow(non_camel_case_types)]
pub(crate) enum GuardMode {
    /// Not at all.
    off,
    /// By bytes around them that are looked at when they are given back, and at the end.
    redzone,
    /// By pages that cannot be accessed, at the end of each.
    pages,
    /// By such pages, at the start of each.
    pages_before,
}

/// `pg_ext_memcheck.on_fault`: what becomes of a process at a fault of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
#[allow(non_camel_case_types)]
pub(crate) enum OnFault {
    /// It is reported, and the process dies as it would.
    report,
    /// The process ends, by itself and alone.
    fatal,
    /// The statement ends by an ERROR; of a background worker, the process.
    error,
}

static GUARD: GucSetting<GuardMode> = GucSetting::<GuardMode>::new(GuardMode::off);
static GUARD_SAMPLE: GucSetting<i32> = GucSetting::<i32>::new(1);
static TRACE: GucSetting<TraceMode> = GucSetting::<TraceMode>::new(TraceMode::windows);
static TARGETS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static MODE: GucSetting<MemcheckMode> = GucSetting::<MemcheckMode>::new(MemcheckMode::none);
static MIN_LEAK_BYTES: GucSetting<i32> = GucSetting::<i32>::new(8192);
static BLOAT_MIN_BYTES: GucSetting<i32> = GucSetting::<i32>::new(8192);
static REPORTERS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static OBSERVE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static PLACES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static ON_FAULT: GucSetting<OnFault> = GucSetting::<OnFault>::new(OnFault::report);
static FAIL_ALLOC: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static SWEEP_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(4096);
static RING_SIZE: GucSetting<i32> = GucSetting::<i32>::new(2048);
#[cfg(feature = "test_links")]
static TRIAL_ENLARGE: GucSetting<i32> = GucSetting::<i32>::new(0);
#[cfg(feature = "test_links")]
static TRIAL_REFUSE: GucSetting<i32> = GucSetting::<i32>::new(0);
#[cfg(feature = "test_links")]
static TRIAL_FAIL: [GucSetting<i32>; 3] = [const { GucSetting::<i32>::new(0) }; 3];
#[cfg(feature = "test_links")]
static TRIAL_FAIL_ON: GucSetting<bool> = GucSetting::<bool>::new(false);

/// What the names of all parameters begin with.
pub(crate) const PREFIX: &std::ffi::CStr = c"pg_ext_memcheck";
/// Name of the mode's parameter.
const MODE_NAME: &std::ffi::CStr = c"pg_ext_memcheck.memcheck_mode";

pub(crate) fn register() {
    parameters::define_hot_enum(
        MODE_NAME,
        c"Selects which phases of a statement are checked.",
        c"ext_memcheck.begin() turns none into all for the time of its window.",
        &MODE,
    );
    GucRegistry::define_int_guc(
        c"pg_ext_memcheck.min_leak_bytes",
        c"Sets the smallest growth of a context that is reported as a leak.",
        c"Applies to context totals; allocations that are traced are reported however small.",
        &MIN_LEAK_BYTES,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_BYTE,
    );
    GucRegistry::define_int_guc(
        c"pg_ext_memcheck.bloat_min_bytes",
        c"Sets the smallest growth over all iterations that growth_benchmark reports.",
        c"Applies to context totals; allocations that are traced are reported however small.",
        &BLOAT_MIN_BYTES,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_BYTE,
    );
    parameters::define_enum(
        c"pg_ext_memcheck.trace",
        c"Selects when the allocations of the targets are traced.",
        c"Takes effect with the next statement, or when the window that is open is closed.",
        &TRACE,
    );
    parameters::define_enum(
        c"pg_ext_memcheck.guard",
        c"Selects how the allocations of the targets are guarded against bad accesses.",
        c"Takes effect with tracing, for what is allocated from then on.",
        &GUARD,
    );
    parameters::define_number(
        c"pg_ext_memcheck.guard_sample",
        c"Sets of how many allocations one is guarded by pages.",
        c"The others are guarded by redzones. Applies where pg_ext_memcheck.guard is pages or pages_before.",
        &GUARD_SAMPLE,
        1..=i32::MAX,
    );
    parameters::define_string(
        c"pg_ext_memcheck.targets",
        c"Names the libraries whose allocations are traced, separated by commas.",
        c"Takes LIKE patterns. Where it is empty, these are all libraries that extensions have brought.",
        &TARGETS,
    );
    parameters::define_told_enum(
        c"pg_ext_memcheck.on_fault",
        c"Selects what becomes of a process in which a target has caused a fault, such as SIGSEGV.",
        c"With report it dies as it would; with fatal it ends alone; with error the statement fails.",
        &ON_FAULT,
        policy::assigned,
    );
    parameters::define_told_string::<FailAlloc>(
        c"pg_ext_memcheck.fail_alloc",
        c"Sets which allocation of the targets fails, counted from when this is set.",
        c"With a + behind the number, all from there on fail. Where it is empty, none does.",
        &FAIL_ALLOC,
    );
    GucRegistry::define_int_guc(
        c"pg_ext_memcheck.sweep_limit",
        c"Sets how many failures of a workload oom_simulation tries at most, and how many cancels cancel_storm does.",
        c"Applies to first calls of a session and to later ones, each by itself. A window in which there are more is incomplete.",
        &SWEEP_LIMIT,
        1,
        1 << 16,
        GucContext::Userset,
        GucFlags::default(),
    );
    parameters::define_string(
        c"pg_ext_memcheck.reporters",
        c"Names the role whose members may have statements checked, and report what is found to all.",
        c"Superusers may in any case; public stands for everybody. Others find what windows of their own tell them.",
        &REPORTERS,
    );
    GucRegistry::define_int_guc(
        c"pg_ext_memcheck.ring_size",
        c"Sets the number of violations kept in shared memory.",
        c"When it is full, the oldest violation of the process that has the most is dropped and counted as lost.",
        &RING_SIZE,
        16,
        1 << 20,
        GucContext::Postmaster,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"pg_ext_memcheck.observe_directory",
        c"Names a directory into which every session writes what it has seen, when it ends.",
        c"Where it is empty, none does. All sessions are traced then, whatever they are asked for.",
        &OBSERVE,
        GucContext::Postmaster,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_string_guc(
        c"pg_ext_memcheck.places_directory",
        c"Names a directory with plans of places in libraries, of which it is written down there which were reached.",
        c"Where it is empty, nothing is. \"mcspec run --coverage\" and \"mcspec mutate\" write the plans.",
        &PLACES,
        GucContext::Postmaster,
        GucFlags::SUPERUSER_ONLY,
    );
    #[cfg(feature = "test_links")]
    register_trial();
    parameters::reserve_prefix(PREFIX);
}

/// What the link that only tests ask for does.
#[cfg(feature = "test_links")]
fn register_trial() {
    const TAKES_EFFECT: &std::ffi::CStr = c"Takes effect with the next window.";
    let define = |name, short, setting, most, flags| {
        GucRegistry::define_int_guc(name, short, TAKES_EFFECT, setting, 0, most, GucContext::Suset, flags);
    };
    define(
        c"pg_ext_memcheck.trial_enlarge",
        c"Sets by how much each allocation of a target is enlarged.",
        &TRIAL_ENLARGE,
        1 << 20,
        GucFlags::UNIT_BYTE,
    );
    define(
        c"pg_ext_memcheck.trial_refuse",
        c"Sets which allocation of each site is refused, counted from 1; 0 for none.",
        &TRIAL_REFUSE,
        i32::MAX,
        GucFlags::default(),
    );
    for (parameter, setting) in trial::PARAMETERS.iter().zip(&TRIAL_FAIL) {
        parameters::define_counter(parameter.name, setting, parameter.assigned, parameter.shown);
    }
    parameters::define_switch(c"pg_ext_memcheck.trial_fail_on", &TRIAL_FAIL_ON, trial::goes_on_assigned);
}

/// Whose allocations are traced, how they are told apart, and how they are guarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traced {
    pub(crate) targets: Targets,
    /// Whether sites are told apart by the calls that led to them.
    pub(crate) by_calls: bool,
    pub(crate) guard: Level,
    /// What becomes of the process at a fault, where that is for somebody else to say; none where its own parameter does.
    pub(crate) on_fault: Option<Policy>,
}

impl Traced {
    /// These libraries, and all else as the parameters say.
    pub(crate) fn of(targets: Targets) -> Self {
        Traced { targets, by_calls: traces_stacks(), guard: guard(), on_fault: None }
    }
}

/// What is traced in windows; none where nothing ever is.
pub(crate) fn traced_in_windows() -> Option<Traced> {
    (TRACE.get() != TraceMode::off).then(|| Traced::of(targets()))
}

/// What is traced whether there is a window or not.
pub(crate) fn traced_always() -> Option<Traced> {
    let has_plan = fail_alloc() != Plan::Nothing;
    (has_plan || matches!(TRACE.get(), TraceMode::on | TraceMode::stacks) || observe_directory().is_some())
        .then(traced_in_windows)
        .flatten()
}

/// Where sessions write what they have seen; none where they are not observed.
pub(crate) fn observe_directory() -> Option<PathBuf> {
    path(&OBSERVE)
}

/// Where plans of places are that are looked at; none where nothing is.
pub(crate) fn places_directory() -> Option<PathBuf> {
    path(&PLACES)
}

fn path(setting: &GucSetting<Option<CString>>) -> Option<PathBuf> {
    let path = setting.get().filter(|path| !path.is_empty())?;
    Some(PathBuf::from(OsString::from_vec(path.into_bytes())))
}

/// How allocations are guarded.
pub(crate) fn guard() -> Level {
    let sample = u32::try_from(GUARD_SAMPLE.get()).unwrap_or(1);
    match GUARD.get() {
        GuardMode::off => Level::Off,
        GuardMode::redzone => Level::Redzone,
        GuardMode::pages => Level::Pages(sample, Side::Behind),
        GuardMode::pages_before => Level::Pages(sample, Side::Before),
    }
}

/// Which allocation is made to fail.
pub(crate) fn fail_alloc() -> Plan {
    FAIL_ALLOC.get().and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or_default()
}

/// How many failures of a workload are tried at most, of first calls and of later ones.
pub(crate) fn sweep_limit() -> usize {
    usize::try_from(SWEEP_LIMIT.get()).unwrap_or(1)
}

/// The libraries that are looked at.
pub(crate) fn targets() -> Targets {
    Targets::new(&TARGETS.get().unwrap_or_default().to_string_lossy())
}

/// The library to trace where exactly one is named.
pub(crate) fn only_target() -> Option<String> {
    traced_in_windows()?.targets.only().map(str::to_owned)
}

/// Whether this session may have statements checked outside of windows, and put what is found where all sessions see it. In a
/// transaction.
pub(crate) fn may_report() -> bool {
    roles::login_is_superuser() || roles::login_has(&REPORTERS.get().unwrap_or_default())
}

/// Whether sites are told apart by the calls that led to them.
pub(crate) fn traces_stacks() -> bool {
    TRACE.get() == TraceMode::stacks
}

#[inline(always)]
pub(crate) fn mode() -> MemcheckMode {
    MemcheckMode::from_ordinal(parameters::hot())
}

/// Whether the session itself has set the mode, or its client when it connected.
pub(crate) fn mode_is_of_session() -> bool {
    parameters::hot_is_of_session()
}

/// Sets the mode for the session, as `SET` would.
pub(crate) fn set_mode(mode: MemcheckMode) {
    let value = match mode {
        MemcheckMode::all => c"all",
        MemcheckMode::executor => c"executor",
        MemcheckMode::none => c"none",
    };
    parameters::set(MODE_NAME, value);
}

pub(crate) fn thresholds() -> Thresholds {
    Thresholds {
        min_leak_bytes: u64::try_from(MIN_LEAK_BYTES.get()).unwrap_or(0),
        bloat_min_bytes: u64::try_from(BLOAT_MIN_BYTES.get()).unwrap_or(0),
    }
}

/// Number of slots of the ring of violations.
pub(crate) fn ring_size() -> usize {
    usize::try_from(RING_SIZE.get()).unwrap_or(0)
}

/// By how much each allocation of a target is enlarged (bytes).
#[cfg(feature = "test_links")]
pub(crate) fn trial_enlarge() -> usize {
    usize::try_from(TRIAL_ENLARGE.get()).unwrap_or(0)
}

/// Which allocation of each site is refused, counted from 1; 0 for none.
#[cfg(feature = "test_links")]
pub(crate) fn trial_refuse() -> u32 {
    u32::try_from(TRIAL_REFUSE.get()).unwrap_or(0)
}
