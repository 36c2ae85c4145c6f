//! Calls of the targets' functions by the server: how many there were, and which function has left another context current.

use memcheck_core::{CheckKind, ContextPath, Event, Site, census::SiteId};

use super::Session;
use super::events::Key;
use crate::pg::functions::Call;
use crate::wrap;

/// Calls of functions that the engine is told of.
#[derive(Default)]
pub(super) struct Calls {
    /// Those that have not returned, from the outside in.
    under_way: Vec<Call>,
    /// How often functions of the targets have been called in this process.
    made: u64,
    /// The report of the one behind which something was found last, by its code.
    pub(super) reported: (usize, u64),
}

impl Calls {
    /// How often functions of the targets have been called in this process.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// The code of the targets' function that was called last and has not returned.
    fn innermost(&self) -> Option<usize> {
        self.under_way.iter().rev().map(|call| call.code).find(|&code| is_target_code(code))
    }

    /// Has only so many have been made.
    pub(super) fn go_back_to(&mut self, made: u64) {
        self.made = made;
    }

    /// Takes a call out that is over.
    fn over(&mut self, call: Call) -> Option<Call> {
        // Calls above it were left by an ERROR of another hook before they began, or after they returned.
        let at = self.under_way.iter().rposition(|other| other.known_by == call.known_by)?;
        self.under_way.truncate(at + 1);
        self.under_way.pop()
    }
}

/// Whether an address is in a target's code.
fn is_target_code(address: usize) -> bool {
    wrap::is_on() && wrap::with(|chain| chain.stack.targets.contain(address)).unwrap_or(false)
}

impl Session {
    /// A function is about to be called.
    pub(crate) fn function_starts(&mut self, call: Call) {
        let is_targets = is_target_code(call.code);
        if is_targets {
            self.look_at_segments(self.calls.innermost());
        }
        self.calls.under_way.push(call);
        if is_targets {
            let before = self.calls.made;
            self.calls.made += 1;
            self.worker_has_called(before);
        }
    }

    /// A function has returned; or, if not `in_order`, was left by an ERROR. It is counted where the current context is not what
    /// it was.
    pub(crate) fn function_ends(&mut self, call: Call, in_order: bool) {
        if is_target_code(call.code) {
            self.look_at_segments(Some(call.code));
        }
        let Some(started) = self.calls.over(call) else { return };
        let changed = in_order && call.context != started.context;
        if !changed || !self.events.is_counting() || !is_target_code(call.code) {
            return;
        }
        let walker = &mut self.walker;
        self.events.count(Key::Function(call.code), 1, || {
            let frame = wrap::with(|chain| chain.places().function_at(call.code)).flatten()?;
            let (before, after) = (walker.path_of(started.context), walker.path_of(call.context));
            let name = |path: &Option<ContextPath>| {
                path.as_ref().map_or("a deleted context".to_owned(), ContextPath::to_string)
            };
            let function = frame.symbol.clone().unwrap_or_else(|| format!("{}+{:#x}", frame.library, frame.offset));
            Some(Event {
                check: CheckKind::WrongCtxAlloc,
                detail: format!(
                    "{function} returned with {} as CurrentMemoryContext, called with {}",
                    name(&after),
                    name(&before)
                ),
                subject: after.unwrap_or_else(|| ContextPath::new(["(deleted)"])),
                library: frame.library.clone(),
                site: Some(Site { id: SiteId(0), stack: vec![frame.clone()], frame }),
            })
        });
    }
}
