//! Every request of the engine's for memory failing once, by the engine that has the links for tests.

use std::sync::{Arc, Mutex};

use mcspec::server::Server;

use crate::cluster::Session;

/// Kinds of request, by the parameter that has one of them fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To malloc, by one who cannot do without: it is served from the reserve.
    Heap,
    /// By one who asks whether there is room.
    Room,
    /// To mmap.
    Map,
    /// As the first, and all behind it.
    HeapOn,
    /// As the second, and all behind it.
    RoomOn,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [Kind::Heap, Kind::Room, Kind::Map, Kind::HeapOn, Kind::RoomOn];

    /// Whether nothing is lost by it.
    fn is_served(self) -> bool {
        matches!(self, Kind::Heap | Kind::HeapOn)
    }

    fn goes_on(self) -> &'static str {
        if matches!(self, Kind::HeapOn | Kind::RoomOn) { "on" } else { "off" }
    }

    fn parameter(self) -> &'static str {
        match self {
            Kind::Heap | Kind::HeapOn => "pg_ext_memcheck.trial_fail_heap",
            Kind::Room | Kind::RoomOn => "pg_ext_memcheck.trial_fail_room",
            Kind::Map => "pg_ext_memcheck.trial_fail_map",
        }
    }
}

/// Where a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the session that works.
    Here,
    /// In another one, whose process is asked.
    Asked,
    /// In workers that the session starts.
    Workers,
}

/// Something that the engine has to do.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    /// What a session does beforehand.
    pub(crate) before: &'static [&'static str],
    /// What it does while a request fails; `{other}` is the process of the other session.
    pub(crate) statements: &'static [&'static str],
    /// What it does then, and finds.
    pub(crate) after: &'static [&'static str],
    /// Whether only the first time counts that a session does it.
    pub(crate) is_first: bool,
}

/// A session that collects what it is warned of.
struct Heard {
    session: Session,
    warnings: Arc<Mutex<String>>,
}

impl Heard {
    fn open(server: &Server) -> Self {
        let warnings = Arc::new(Mutex::new(String::new()));
        let hear = Arc::clone(&warnings);
        let client = server.connect_with("postgres", "", move |notice| {
            if notice.severity() == "WARNING" {
                *hear.lock().expect("no panic") += &format!("{}\n", notice.message());
            }
        });
        let mut session = Session { client: client.expect("connected") };
        session.gives("SET statement_timeout = '60s'", "");
        Heard { session, warnings }
    }

    fn warnings(&self) -> String {
        std::mem::take(&mut *self.warnings.lock().expect("no panic"))
    }

    fn pid(&mut self) -> String {
        self.session.ask("SELECT pg_backend_pid()")
    }
}

/// So many requests of any kind a worker makes at least.
const OF_WORKER: u64 = 60;

/// How often a session is used.
const USES: u64 = 25;

/// The sessions of a work.
struct Sessions<'a> {
    server: &'a Server,
    work: &'a Work,
    here: Heard,
    other: Heard,
    uses: u64,
}

impl<'a> Sessions<'a> {
    fn open(server: &'a Server, work: &'a Work) -> Self {
        let [here, other] = [(); 2].map(|()| {
            let mut heard = Heard::open(server);
            for sql in work.before {
                heard.session.ask(sql);
            }
            heard.warnings();
            heard
        });
        Sessions { server, work, here, other, uses: 0 }
    }

    /// Makes sure that there are sessions that can be used.
    fn renew(&mut self) {
        self.uses += 1;
        if self.uses > if self.work.is_first { 1 } else { USES } {
            *self = Sessions { uses: 1, ..Sessions::open(self.server, self.work) };
        }
    }

    /// Does the work, with this request failing; 0 for none. Gives what was answered, and how many requests there were.
    fn work(&mut self, kind: Kind, number: u64) -> (Vec<String>, u64) {
        let other = self.other.pid();
        let failing = match self.work.place {
            Place::Here | Place::Workers => &mut self.here,
            Place::Asked => &mut self.other,
        };
        failing.session.gives(&format!("SET pg_ext_memcheck.trial_fail_on = {}", kind.goes_on()), "");
        failing.session.gives(&format!("SET {} = {number}", kind.parameter()), "");
        let ask = |heard: &mut Heard, sql: &&str| heard.session.ask(&sql.replace("{other}", &other));
        let mut answers: Vec<String> = self.work.statements.iter().map(|sql| ask(&mut self.here, sql)).collect();
        let failing = match self.work.place {
            Place::Here | Place::Workers => &mut self.here,
            Place::Asked => &mut self.other,
        };
        let made = failing.session.ask(&format!("SHOW {}", kind.parameter()));
        failing.session.gives(&format!("SET {} = 0", kind.parameter()), "");
        answers.extend(self.work.after.iter().map(|sql| ask(&mut self.here, sql)));
        (answers, made.parse().unwrap_or_else(|_| panic!("{made}")))
    }
}

/// Has requests of a kind fail while a work is done, each in its turn: all of them, or so many.
///
/// What was answered is what is answered otherwise, or it was said that there was no memory; the session goes on, and has the
/// work done then.
pub(crate) fn sweep(server: &Server, work: &Work, kind: Kind, most: u64) {
    let mut sessions = Sessions::open(server, work);
    // The first time caches are filled.
    let warm = if work.is_first { 0 } else { 2 };
    for _ in 0..warm {
        sessions.renew();
        sessions.work(kind, 0);
    }
    sessions.renew();
    let (expected, requests) = sessions.work(kind, 0);
    assert!(expected.iter().all(|answer| !answer.starts_with("53200")), "{}: {expected:?}", work.name);
    sessions.here.warnings();
    // Workers begin anew, and nobody says how many theirs are.
    let requests = if work.place == Place::Workers { requests.max(OF_WORKER) } else { requests };
    let stride = requests.div_ceil(most).max(1);
    let (mut failed, mut told) = (0, 0);
    // Others in every run.
    for number in (1 + u64::from(std::process::id()) % stride..=requests).step_by(stride as usize) {
        sessions.renew();
        let what = format!("{}, {kind:?} {number} of {requests}", work.name);
        let (answers, made) = sessions.work(kind, number);
        // A statement that nothing fails in: what is told late is told by then.
        sessions.here.session.gives("SELECT 1", "1");
        let warnings = sessions.here.warnings();
        let is_told = warnings.contains("memory")
            || answers.iter().any(|answer| answer.starts_with("53200") || answer.contains("not enough memory"));
        if answers != expected {
            assert!(is_told, "{what}: {answers:#?}\ninstead of {expected:#?}\n{warnings}");
            assert!(!kind.is_served(), "{what}: {answers:#?}\ninstead of {expected:#?}\n{warnings}");
        }
        let is_faulty = "SELECT value FROM ext_memcheck.window_stats() WHERE name = 'inconsistencies' AND value <> 0";
        sessions.here.session.gives(is_faulty, "");
        if !work.is_first {
            // What was left open by an ERROR is closed with the first.
            sessions.work(kind, 0);
            assert_eq!(sessions.work(kind, 0).0, expected, "after {what}: {answers:#?}\n{warnings}");
            sessions.here.warnings();
        }
        failed += u64::from(made >= number);
        told += u64::from(is_told);
    }
    println!("{}, {kind:?}: {failed} failed of {requests}, {told} told", work.name);
}
