//! Who is charged with a crash: what the engine has kept of it outlives the process, and the restart of all others.

use std::time::Duration;

use memcheck_core::census::SiteId;
use memcheck_core::{CheckKind, ContextPath, Finding, Frame, Severity, Site, wire};
use nix::sys::signal::Signal;

use super::engine;
use super::failure::{Cause, Failure, Step};
use super::session::Session;
use crate::server::{Crash, Culprit, End, Server};

/// How long the server has to be there again, and to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// What the engine has kept of a process's last fault. The offset is that of a return address.
const FAULT: &str = "\
    SELECT what, detail, holding, source_lib, build_id, site_offset, site_symbol, stack::pg_catalog.text
      FROM ext_memcheck.faults()
     WHERE backend_pid = $1::pg_catalog.text::pg_catalog.int4
     ORDER BY ts DESC LIMIT 1";

/// Looks up the culprits of all crashes among failures, on the server where they happened. Where nobody can be asked, nothing is known.
pub(super) fn name<'f>(server: &Server, database: &str, failures: impl IntoIterator<Item = &'f mut Failure>) {
    let of = |failure: &'f mut Failure| {
        let Failure { cause, later, .. } = failure;
        std::iter::once(cause).chain(later.iter_mut().map(|failure| &mut failure.cause))
    };
    let crashes = failures.into_iter().flat_map(of).filter_map(|cause| match cause {
        Cause::Crash(crash) if crash.culprit.is_none() => Some(crash),
        _ => None,
    });
    let mut crashes = crashes.peekable();
    if crashes.peek().is_none() || !server.is_alive() || server.data().is_none() {
        return;
    }
    let Ok(mut session) = Session::open(server, database, "", LIMIT) else { return };
    for crash in crashes {
        crash.culprit = ask(&mut session, crash.pid).ok().flatten();
    }
    // It has told what it knows.
    let _ = session.end(Ok(()));
}

fn ask(session: &mut Session, pid: i32) -> Result<Option<Culprit>, Failure> {
    let step = Step::Engine("faults");
    let rows = session.query(FAULT, &[&pid.to_string()], &step, None)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let library: Option<String> = row.get(3);
    let site = library.map(|library| {
        let frame = Frame {
            library,
            build_id: row.get::<_, Option<String>>(4).unwrap_or_default(),
            offset: row.get::<_, Option<i64>>(5).unwrap_or(0).unsigned_abs(),
            symbol: row.get(6),
            line: None,
        };
        let stack = row.get::<_, Option<&str>>(7).and_then(|stack| serde_json::from_str(stack).ok());
        let stack = stack.and_then(|stack| wire::read_stack(&stack).ok()).unwrap_or_default();
        Site { frame, stack, ..Site::numbered(SiteId(0)) }
    });
    let directories = session.query(engine::DIRECTORIES, &[], &step, None)?;
    let site = site.map(|mut site| {
        engine::symbols(&directories).describe(&mut site);
        site
    });
    Ok(Some(Culprit { what: row.get(0), detail: row.get(1), holding: row.get(2), site }))
}

/// Whether nothing else went wrong than that processes have crashed.
pub(super) fn is_all(failure: &Failure) -> bool {
    failure.all().all(|failure| matches!(failure.cause, Cause::Crash(_)))
}

/// Crashes that are expected, as findings.
pub(super) fn findings(failure: &Failure) -> impl Iterator<Item = Finding> {
    failure.all().filter_map(|failure| match &failure.cause {
        Cause::Crash(crash) => Some(finding(crash)),
        _ => None,
    })
}

fn finding(crash: &Crash) -> Finding {
    let culprit = crash.culprit.as_ref();
    let site = culprit.and_then(|culprit| culprit.site.clone());
    let ended = match crash.end {
        End::Signal { number, .. } => Signal::try_from(number).map_or(number.to_string(), |signal| signal.to_string()),
        End::Code(code) => format!("exit code {code}"),
        End::Other(_) => "crash".to_owned(),
    };
    Finding {
        check: CheckKind::Crash,
        severity: Severity::Error,
        path: ContextPath::new([culprit.map_or(ended, |culprit| culprit.what.clone())]),
        bytes: 0,
        objects: 1,
        iterations: 0,
        bytes_per_iter: 0.0,
        objects_per_iter: 0.0,
        shape: None,
        phase: None,
        source_lib: site.as_ref().map_or(String::new(), |site| site.frame.library.clone()),
        site,
        marks: Vec::new(),
        detail: match culprit {
            Some(culprit) => format!("backend {} died of {culprit}: {}", crash.pid, culprit.detail),
            None => format!("backend {} {}", crash.pid, crash.end),
        },
        access: None,
    }
}
