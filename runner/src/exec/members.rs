//! The functions that extensions have brought into the databases of specs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use memcheck_core::targets::{is_servers_own, library_name};

use super::failure::Step;
use super::session::Session;
use crate::server::{ENGINE, Server};

/// Time for asking.
const LIMIT: Duration = Duration::from_secs(10);

/// Those of a database.
const MEMBERS: &str = "\
    SELECT e.extname::text, p.oid::regprocedure::text, l.lanname::text, p.probin, p.prosrc
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid
      JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE d.deptype = 'e'";

/// A function that an extension has brought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The extension.
    pub extension: String,
    /// The function with its arguments, as the server writes it.
    pub function: String,
}

/// Where its code is: the library and the symbol; none where it is not in C.
pub type CodeOf = Option<(String, String)>;

/// All of them, so far.
#[derive(Debug, Default)]
pub struct Members(Mutex<BTreeMap<Member, CodeOf>>);

impl Members {
    /// Asks for those of a database. What cannot be asked is not there to be told.
    pub(super) fn ask(&self, server: &Server, database: &str) {
        let Ok(mut session) = Session::open(server, database, "", LIMIT) else { return };
        let asked = session.query(MEMBERS, &[], &Step::Engine("coverage"), None);
        let Ok(rows) = session.end(asked) else { return };
        let mut members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let member = Member { extension: row.get(0), function: row.get(1) };
            let (language, library, symbol): (String, Option<String>, String) = (row.get(2), row.get(3), row.get(4));
            let library = library.filter(|_| language == "c");
            let library = library.as_deref().map(|path| library_name(path).to_owned());
            if member.extension != ENGINE && library.as_deref().is_none_or(|library| !is_servers_own(library)) {
                members.insert(member, library.map(|library| (library, symbol)));
            }
        }
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<Member, CodeOf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
