//! Calls of the targets' functions by the server: whether CurrentMemoryContext is the same when they return.
//!
//! A function that returns with another context has what comes after it allocate there. While nothing is traced no function is
//! asked for; those asked for while there was stay so for as long as the server keeps what it looked up, which costs a few
//! nanoseconds a call and is otherwise without effect. Where it is looked at which functions are ever called, all of those are asked for.
//!
//! Functions in C only: those in other languages are calls of their language's handler. What was looked up before the window
//! was opened and is kept - support functions of indexes and types in the caches - is called directly and not seen.

use crate::pg::functions::{Handler, on_call};
use crate::stack::calls;
use crate::wrap::{planted, storm};
use crate::{session, wrap};

pub(super) fn register() {
    on_call(Handler {
        is_on: || wrap::is_on() || planted::is_on(),
        is_wanted: |library| {
            let library = std::str::from_utf8(library).unwrap_or_default();
            let is_traced =
                || wrap::is_on() && wrap::with(|chain| chain.stack.targets.is_wanted(library)) == Some(true);
            planted::is_wanted(library) || is_traced()
        },
        starts: |call| {
            planted::entered(call.code);
            if !session::is_there() && !wrap::is_on() {
                return;
            }
            calls::entered(call.slot, call.code);
            session::unless_busy(|session| session.function_starts(call));
            // Between two calls, whatever else is evaluated may have looked something up.
            storm::strike();
        },
        ends: |call, in_order| {
            if session::is_there() {
                session::unless_busy(|session| session.function_ends(call, in_order));
            }
        },
    });
}
