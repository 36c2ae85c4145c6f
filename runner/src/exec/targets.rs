//! Which libraries are charged: those that the spec names, or else those that what it tests really loads.

use std::sync::LazyLock;

use memcheck_core::targets::{is_servers_own, library_name};
use regex::Regex;

use super::failure::{Failure, Step};
use super::outcome::Targets;
use super::session::Session;
use crate::plan::{Case, Values};

/// The libraries of the member functions of an extension, and of the functions that its access methods, languages, foreign
/// data wrappers and parts of text search work by, whosever those are.
const OF_EXTENSION: &str = "\
    WITH member AS (
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = $1 AND d.deptype = 'e')
    SELECT DISTINCT p.probin FROM pg_catalog.pg_proc p
     WHERE p.probin IS NOT NULL
       AND (p.oid IN (SELECT objid FROM member WHERE classid = 'pg_catalog.pg_proc'::regclass)
         OR p.oid IN (SELECT d.refobjid FROM member m
                        JOIN pg_catalog.pg_depend d ON d.classid = m.classid AND d.objid = m.objid
                       WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass
                         AND m.classid IN ('pg_catalog.pg_am'::regclass, 'pg_catalog.pg_language'::regclass,
                                           'pg_catalog.pg_foreign_data_wrapper'::regclass,
                                           'pg_catalog.pg_ts_parser'::regclass, 'pg_catalog.pg_ts_template'::regclass)))
     ORDER BY 1";

/// The control files of an extension, where installations have them (extension.c, parse_extension_control_file).
const CONTROL_FILES: &str = "\
    SELECT pg_catalog.pg_read_file(file, 0, 1000000, true)
      FROM pg_catalog.pg_extension e, pg_catalog.pg_config c,
           LATERAL (VALUES (c.setting || '/extension/' || e.extname || '.control'),
                           (c.setting || '/extension/' || e.extname || '--' || e.extversion || '.control')) f (file)
     WHERE c.name = 'SHAREDIR' AND e.extname = $1";

/// Files that are called as an extension and a release or what else is behind a hyphen: libraries that its own ones load, of
/// which the catalogs know nothing.
const FILES: &str = "\
    SELECT file FROM pg_catalog.pg_config c, pg_catalog.pg_ls_dir(c.setting) file
     WHERE c.name = 'PKGLIBDIR' AND pg_catalog.starts_with(file, $1 || '-') AND file LIKE '%.so' ORDER BY 1";

/// Libraries of every session, and the output plugins of this database's slots.
const OTHERS: &str = "\
    SELECT pg_catalog.current_setting('session_preload_libraries') || ',' ||
           pg_catalog.current_setting('local_preload_libraries'),
           (SELECT pg_catalog.string_agg(DISTINCT plugin::text, ',') FROM pg_catalog.pg_replication_slots
             WHERE database = pg_catalog.current_database())";

/// Finds them, when the extensions and the file's fixtures are there.
pub(super) fn find(control: &mut Session, case: &Case) -> Result<Targets, Failure> {
    if !case.targets.is_empty() {
        return Ok(Targets { names: case.targets.clone(), are_named: true, more: Vec::new() });
    }
    let mut targets = Targets::default();
    for extension in &case.extensions {
        let name = extension.name.value.as_str();
        for row in control.query(OF_EXTENSION, &[name], &Step::Targets, None)? {
            add(&mut targets, row.get(0));
        }
        for row in control.query(CONTROL_FILES, &[name], &Step::Targets, None)? {
            row.get::<_, Option<&str>>(0).and_then(module_pathname).iter().for_each(|path| add(&mut targets, path));
        }
        for row in control.query(FILES, &[name], &Step::Targets, None)? {
            targets.more.push(library_name(row.get(0)).to_owned());
        }
    }
    case.preloaded().for_each(|library| add(&mut targets, library));
    let others = control.query(OTHERS, &[], &Step::Targets, None)?;
    let others =
        |column: usize| others.first().and_then(|row| row.get::<_, Option<String>>(column)).unwrap_or_default();
    if case.conf.iter().any(|line| has_session_libraries(&line.text)) {
        others(0).split(',').for_each(|library| add(&mut targets, library.trim().trim_matches('"')));
    }
    others(1).split(',').for_each(|plugin| add(&mut targets, plugin));
    texts(case).iter().filter_map(|sql| output_plugin(sql)).for_each(|plugin| add(&mut targets, plugin));
    targets.more.retain(|library| !targets.names.contains(library));
    if targets.names.is_empty() {
        // An extension without a library is tested with what it works with.
        targets.more.clear();
    }
    Ok(targets)
}

fn add(targets: &mut Targets, library: &str) {
    let name = library_name(library);
    if !name.is_empty() && !is_servers_own(name) && !targets.names.iter().any(|other| other == name) {
        targets.names.push(name.to_owned());
    }
}

/// Whether a line of postgresql.conf has libraries loaded in sessions.
fn has_session_libraries(line: &str) -> bool {
    let name = line.trim_start().to_ascii_lowercase();
    ["session_preload_libraries", "local_preload_libraries"].iter().any(|setting| name.starts_with(setting))
}

/// `module_pathname` in the text of a control file.
fn module_pathname(control: &str) -> Option<&str> {
    static SETTING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?im)^\s*module_pathname\s*=?\s*'([^']*)'").expect("a valid pattern"));
    SETTING.captures(control).and_then(|found| found.get(1)).map(|path| path.as_str())
}

/// The output plugin of a replication slot that a text makes.
fn output_plugin(sql: &str) -> Option<&str> {
    static CALL: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?i)\bpg_create_logical_replication_slot\s*\([^,]*,\s*(?:plugin\s*=>\s*)?'([^']+)'";
        Regex::new(pattern).expect("a valid pattern")
    });
    CALL.captures(sql).and_then(|found| found.get(1)).map(|plugin| plugin.as_str())
}

/// What the spec runs besides its setup, whose slots are there.
fn texts(case: &Case) -> Vec<String> {
    let of_scenarios = case
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.setup.iter().chain([&scenario.workload]).chain(&scenario.dealt));
    let statements = of_scenarios.flat_map(|sql| &sql.statements);
    let sessions = &case.sessions;
    let setups = sessions.sessions.iter().flat_map(|session| &session.setup).chain(&sessions.setup);
    let batches = setups.chain(sessions.steps.iter().map(|step| &step.batch));
    let statements = statements.map(|statement| statement.text(Values::default()).into_owned());
    statements.chain(batches.map(|batch| batch.sql.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_their_files() {
        let mut targets = Targets::default();
        for path in ["$libdir/multi-1.2", "multi_helper", "/opt/lib/multi-1.2.so", "$libdir/plpgsql", "pgoutput", ""] {
            add(&mut targets, path);
        }
        assert_eq!(targets.list(), ["multi-1.2", "multi_helper"]);
    }

    #[test]
    fn a_control_file_names_a_library() {
        let control = "comment = 'x'\ndefault_version='1'\n  module_pathname = '$libdir/multi-1.2'\n";
        assert_eq!(module_pathname(control), Some("$libdir/multi-1.2"));
        assert_eq!(module_pathname("# module_pathname = '$libdir/x'\ncomment = 'x'\n"), None);
    }

    #[test]
    fn a_slot_names_its_plugin() {
        let table = [
            ("SELECT pg_create_logical_replication_slot('s', 'wal2json')", Some("wal2json")),
            ("SELECT * FROM pg_catalog.PG_CREATE_LOGICAL_REPLICATION_SLOT( 's' , 'mine', true);", Some("mine")),
            ("SELECT pg_create_logical_replication_slot(slot_name => 's', plugin => 'mine')", Some("mine")),
            ("SELECT pg_create_physical_replication_slot('s')", None),
        ];
        for (sql, plugin) in table {
            assert_eq!(output_plugin(sql), plugin, "{sql}");
        }
    }

    #[test]
    fn sessions_load_libraries_by_two_parameters() {
        assert!(has_session_libraries(" Session_preload_libraries = 'x'"));
        assert!(
            !has_session_libraries("shared_buffers = 1MB") && !has_session_libraries("# local_preload_libraries = x")
        );
    }
}
