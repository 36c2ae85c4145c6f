//! Who is blocked, as a control connection is told by the server.

use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::exec::happening::Wait;

/// How long a wait event has to stay, and in how many successive answers, to be taken for blocking.
const STAYS: (Duration, u32) = (Duration::from_millis(500), 10);

/// Kinds of wait events that another session may be the reason of. Locks are what the server itself answers for, and a
/// session that waits for its client, a file or the time is not blocked.
const BLOCKING: [&str; 5] = ["LWLock", "BufferPin", "IPC", "Extension", "InjectionPoint"];

/// Asks who is blocked.
#[derive(Debug)]
pub(super) struct Blocking {
    pids: String,
    /// Whether wait events count.
    events: bool,
}

/// Wait events of one session in successive answers.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The event, since when, and how often.
    last: Option<(String, Instant, u32)>,
}

impl Blocking {
    /// For sessions with these backends. Without wait events, exactly what isolationtester takes for blocking.
    pub(super) fn new(pids: impl Iterator<Item = i32>, events: bool) -> Self {
        let mut blocking = Blocking { pids: String::new(), events };
        blocking.renew(pids);
        blocking
    }

    /// Takes other backends for those of the sessions.
    pub(super) fn renew(&mut self, pids: impl Iterator<Item = i32>) {
        self.pids = pids.map(|pid| pid.to_string()).collect::<Vec<_>>().join(",");
    }

    /// What the session with this backend is blocked by.
    pub(super) fn of(&self, control: &Connection, pid: i32, events: &mut Events) -> Result<Option<Wait>, String> {
        let (event, from) = if self.events {
            let columns = "a.wait_event_type, a.wait_event";
            (columns, format!(" FROM (SELECT 1) AS x LEFT JOIN pg_catalog.pg_stat_get_activity({pid}) AS a ON true"))
        } else {
            ("NULL::text, NULL::text", String::new())
        };
        let pids = &self.pids;
        // A prepared transaction is no process: those that wait for one wait for number 0 (lockfuncs.c, pg_blocking_pids).
        let prepared =
            if self.events { format!(" OR 0 = ANY (pg_catalog.pg_blocking_pids({pid}))") } else { String::new() };
        let blocked = format!("pg_catalog.pg_isolation_test_session_is_blocked({pid}, '{{{pids}}}'){prepared}");
        let sql = format!("SELECT {blocked}, {event}{from}");
        let rows = control.rows(&sql)?;
        let Some(row) = rows.first() else { return Ok(None) };
        if row.get::<_, bool>(0) {
            return Ok(Some(Wait::Usual));
        }
        let event = row.get::<_, Option<String>>(1).zip(row.get::<_, Option<String>>(2));
        Ok(events.stay(event, Instant::now()))
    }
}

impl Events {
    /// Takes note of the wait event of the moment. If it stays, that is what the session is blocked by.
    fn stay(&mut self, event: Option<(String, String)>, now: Instant) -> Option<Wait> {
        let last = self.last.take();
        let (kind, name) = event.filter(|(kind, _)| BLOCKING.contains(&kind.as_str()))?;
        let event = format!("{kind}/{name}");
        let (since, times) = match last {
            Some((last, since, times)) if last == event => (since, times + 1),
            _ => (now, 1),
        };
        self.last = Some((event, since, times));
        (now - since >= STAYS.0 && times >= STAYS.1).then_some(Wait::Event(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_event_that_stays_is_blocking() {
        let start = Instant::now();
        let at = |poll: u64| start + Duration::from_millis(100 * poll);
        let last = |answers: &[(&str, &str)]| {
            let mut events = Events::default();
            let event = |&(kind, name): &(&str, &str)| Some((kind.to_owned(), name.to_owned()));
            answers.iter().zip(0..).map(|(answer, poll)| events.stay(event(answer), at(poll))).last().flatten()
        };
        let blocked = Some(Wait::Event("LWLock".into()));
        assert_eq!(last(&[("LWLock", "mine"); 10]), blocked);
        assert_eq!(last(&[("LWLock", "mine"); 9]), None);
        assert_eq!(last(&[("Timeout", "PgSleep"); 20]), None);
        let mut changing = [("LWLock", "mine"); 12];
        changing[5] = ("LWLock", "other");
        assert_eq!(last(&changing), None);
    }
}
