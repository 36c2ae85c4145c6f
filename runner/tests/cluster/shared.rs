//! Servers that the tests of one file share: started by the first test, and gone with the process.

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread;

use mcspec::server::{Server, cleanup_all};
use nix::libc;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Cluster, Session, clusters, clusters_with_test_links, eventually};

/// What a file's servers are like.
pub(crate) struct Shared {
    extensions: &'static [&'static str],
    preload: &'static [&'static str],
    conf: &'static [&'static str],
    find: fn(&[&str]) -> Vec<Cluster>,
    running: OnceLock<Mutex<Vec<(Cluster, Server)>>>,
}

impl Shared {
    /// One for each installation, as [`clusters`] says, with these libraries preloaded and these lines in its postgresql.conf.
    pub(crate) const fn new(
        extensions: &'static [&'static str],
        preload: &'static [&'static str],
        conf: &'static [&'static str],
    ) -> Self {
        Shared { extensions, preload, conf, find: clusters, running: OnceLock::new() }
    }

    /// One for each installation, as [`clusters_with_test_links`] says.
    pub(crate) const fn with_test_links(extensions: &'static [&'static str]) -> Self {
        Shared { extensions, preload: &[], conf: &[], find: clusters_with_test_links, running: OnceLock::new() }
    }

    /// Runs a test on each server in turn, which it has for itself: what others have found there is forgotten, and their
    /// sessions have ended.
    pub(crate) fn each(&self, test: impl Fn(&Server)) {
        self.each_with_cluster(|_, server| test(server));
    }

    /// The same for a test that needs more than the server.
    pub(crate) fn each_with_cluster(&self, test: impl Fn(&Cluster, &Server)) {
        for (cluster, server) in self.running().iter() {
            // Shown where the test fails.
            println!("PostgreSQL {}", cluster.installation.version.text);
            forget(server);
            test(cluster, server);
        }
    }

    /// The test before may have failed while it had them.
    fn running(&self) -> MutexGuard<'_, Vec<(Cluster, Server)>> {
        let running = self.running.get_or_init(|| {
            static ENDS: Once = Once::new();
            ENDS.call_once(end_with_the_process);
            let start = |cluster: Cluster| {
                let server = cluster.start(self.preload, self.conf);
                (cluster, server)
            };
            Mutex::new((self.find)(self.extensions).into_iter().map(start).collect())
        });
        running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a server has no other session, whose exit might log what it has found, and clears what is logged.
fn forget(server: &Server) {
    let mut session = Session::open(server);
    let others = "SELECT count(*) FROM pg_stat_activity
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    eventually("the other sessions end", || session.ask(others) == "0");
    session.ask("SELECT ext_memcheck.flush_violations()");
    session.gives("SELECT ext_memcheck.clear_violations()", "");
}

/// Nothing drops a static. Servers and directories are cleared away when the process exits, after a failure too, and when
/// it is asked to end; by the end of a process that is killed its servers are ended too, which leaves directories only.
fn end_with_the_process() {
    extern "C" fn clean_up() {
        cleanup_all();
    }
    // SAFETY: the function may be called at any time, and its code is there as long as the process.
    let refused: c_int = unsafe { libc::atexit(clean_up) };
    assert_eq!(refused, 0, "atexit");
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("signals can be handled");
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            cleanup_all();
            std::process::exit(128 + signal);
        }
    });
}
