//! When calls pass the chain.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void};
use std::path::PathBuf;

use memcheck_core::targets::Targets;

use super::chain::{self, Chain, is_on, with};
use super::hooked::hooked;
use super::methods::{self, Tables};
use super::slots::{self, Changes};
#[cfg(feature = "test_links")]
use super::trial::Trial;
use super::{planted, shared};
use crate::elf::modules;
use crate::guard::Guard;
use crate::guard::faults;
use crate::inject::Failing;
use crate::stack::{Stack, calls};
use crate::trace::Ledger;

/// Why tracing cannot be switched on.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Learns in the postmaster what cannot be learnt without the allocator, and what takes long and is the same in all its children.
/// `places` is the directory of plans for places that are looked at, if there is one.
pub(crate) fn prepare(places: Option<PathBuf>) {
    methods::prepare();
    planted::prepare(places);
    shared::prepare(HOOKED);
    Stack::prepare(&modules::loaded(), slots::stand_in);
}

/// What is in place of something else while the chain is on.
struct Fittings {
    tables: Tables,
    changes: Changes,
    /// With the chain off: whether some are left, by which chunks of the guard's are given back.
    some_are_left: bool,
}

struct Shared(UnsafeCell<Option<Fittings>>);

// SAFETY: only the thread that switches has to do with it; the functions that are put in place never look at it.
unsafe impl Sync for Shared {}

/// Those of this process. Static, because `dlopen` of ours has no other way to it. Written here, between calls of the allocator.
static FITTINGS: Shared = Shared(UnsafeCell::new(None));

/// The fittings, if there have ever been any.
fn fittings<'a>() -> Option<&'a mut Fittings> {
    // SAFETY: none of the functions here calls another while it holds them.
    unsafe { (*FITTINGS.0.get()).as_mut() }
}

/// Switches the chain on for these targets, with an empty ledger. With `by_calls`, an allocation is
/// told by all the calls within the libraries that led to it.
pub(crate) fn start(targets: Targets, by_calls: bool) -> Result<(), Refused> {
    stop();
    install()?;
    let Some(fittings) = fittings() else { return Ok(()) };
    fittings.changes.undo(&modules::loaded());
    fittings.some_are_left = false;
    with(|chain| {
        chain.ledger.clear();
        chain.guard.accesses.clear();
        chain.guard.pages.forget_stacks();
        calls::start();
        chain.stack.want(targets, by_calls);
        fittings.follow(&mut chain.stack);
    });
    fittings.tables.exchange(true).map_err(|refusal| Refused(refusal.to_string()))?;
    chain::switch(true);
    Ok(())
}

/// Switches it off. What was recorded can still be read.
pub(crate) fn stop() {
    if is_on() {
        with(|chain| chain.guard.check());
        chain::empty_guard();
        // Nobody tells of what goes from now on.
        with(|chain| chain.guard.forget());
    }
    chain::switch(false);
    if let Some(fittings) = fittings() {
        fittings.changes.undo(&modules::loaded());
        fittings.some_are_left = true;
        with(|chain| fittings.leave(chain));
    }
}

/// Whether it is on for these targets, with sites told apart in this way.
pub(crate) fn is_of(targets: &Targets, by_calls: bool) -> bool {
    is_on() && with(|chain| chain.stack.targets.are(targets, by_calls)).unwrap_or(false)
}

/// Takes note of libraries loaded since.
pub(crate) fn refresh() {
    let Some(fittings) = fittings() else { return };
    if is_on() {
        with(|chain| fittings.follow(&mut chain.stack));
    } else if fittings.some_are_left {
        with(|chain| fittings.leave(chain));
    }
}

/// Makes chain and fittings, unless they are there.
fn install() -> Result<(), Refused> {
    if fittings().is_some() {
        return Ok(());
    }
    let refused = |what: &str| Refused(what.to_owned());
    let modules = modules::loaded();
    let server = modules.iter().find(|module| module.is_executable()).ok_or_else(|| refused("no executable found"))?;
    let tables = Tables::find(server).map_err(|refusal| Refused(refusal.to_string()))?;
    chain::install(Chain {
        ledger: Ledger::new().ok_or_else(|| refused("no memory could be reserved for tracing"))?,
        guard: Guard::new().ok_or_else(|| refused("no memory could be reserved for guarding"))?,
        failing: Failing::new().ok_or_else(|| refused("no memory could be reserved for failures"))?,
        #[cfg(feature = "test_links")]
        trial: Trial::default(),
        stack: Stack::new(modules, slots::stand_in).map_err(refused)?,
    });
    // SAFETY: nobody holds them: there have been none.
    unsafe { *FITTINGS.0.get() = Some(Fittings { tables, changes: Changes::default(), some_are_left: false }) };
    Ok(())
}

impl Fittings {
    /// With the chain off: takes away what is left, unless it is needed still.
    fn leave(&mut self, chain: &mut Chain) {
        if chain.guard.pages.live() > 0 {
            if chain.stack.refresh() || self.changes.are_none() {
                self.give_back(&chain.stack);
            }
            return;
        }
        // The page was writable before; if it is not now, the wrappers stay and do nothing.
        let _ = self.tables.exchange(false);
        if !self.changes.are_none() {
            self.changes.undo(&modules::loaded());
        }
        chain.guard.pages.is_left_alone();
        self.some_are_left = false;
    }

    /// Puts functions of ours into the tables of what is loaded by which the guard's chunks are given back.
    fn give_back(&mut self, stack: &Stack) {
        let targets = &stack.targets;
        self.changes.forget_unloaded(&targets.modules);
        for module in &targets.modules {
            if !self.changes.include(module) {
                slots::apply_to_give_back(&mut self.changes, targets, module);
            }
        }
    }

    /// Looks for libraries loaded since, and puts ours into their tables.
    fn follow(&mut self, stack: &mut Stack) {
        if !stack.refresh() {
            return;
        }
        let targets = &stack.targets;
        faults::know(&targets.modules);
        self.changes.forget_unloaded(&targets.modules);
        for (module, &belongs) in targets.modules.iter().zip(&targets.belonging) {
            if !self.changes.include(module) {
                slots::apply(&mut self.changes, targets, module, belongs, HOOKED);
            }
        }
    }
}

hooked! {
    /// The server's own way to load a library: a target's `_PG_init` is called after this has returned.
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void {
        // SAFETY: called as the C library's function is.
        let library = unsafe { libc::dlopen(file, flags) };
        shared::follow();
        refresh();
        library
    }
}
