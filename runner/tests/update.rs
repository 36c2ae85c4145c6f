//! `ALTER EXTENSION pg_ext_memcheck UPDATE` in databases with the objects of the reference implementation, and what there is to
//! an object of the extension.

use mcspec::server::Server;

use crate::cluster::Session;
use crate::cluster::shared::Shared;

static SHARED: Shared = Shared::new(&[], &[], &[]);

/// A session in a new database in which some SQL was run.
fn database(server: &Server, name: &str, sql: &str) -> Session {
    Session::open(server).gives(&format!("CREATE DATABASE {name}"), "");
    let mut session = Session { client: server.connect(name).expect("connected") };
    session.gives(sql, "");
    session
}

/// All objects of the extension, with what there is to them.
const OBJECTS: &str = "
    SELECT pg_describe_object(classid, objid, objsubid), deptype, obj_description(objid, classid::regclass::name)
      FROM pg_depend WHERE refclassid = 'pg_extension'::regclass
       AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_ext_memcheck') ORDER BY 1";

/// Of each function everything, and who may call it.
const FUNCTIONS: &str = "
    SELECT pg_get_functiondef(oid), proacl FROM pg_proc WHERE pronamespace = 'ext_memcheck'::regnamespace ORDER BY proname, 1";

/// Of each relation and column everything, and who may use it.
const RELATIONS: &str = "
    SELECT relname, relkind, relacl, attname, attnum, atttypid::regtype, attnotnull, pg_get_expr(adbin, adrelid),
           col_description(attrelid, attnum), CASE WHEN relkind = 'v' THEN pg_get_viewdef(pg_class.oid) END
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE relnamespace = 'ext_memcheck'::regnamespace AND attnum > 0 ORDER BY relname, attnum";

/// The extension and its schema.
const EXTENSION: &str = "
    SELECT extnamespace::regnamespace, extrelocatable, extversion, extconfig::regclass[], extcondition,
           obj_description(pg_extension.oid, 'pg_extension'), nspacl, obj_description(pg_namespace.oid, 'pg_namespace')
      FROM pg_extension, pg_namespace WHERE extname = 'pg_ext_memcheck' AND nspname = 'ext_memcheck'";

/// What the extension has given to whom from the start, which a dump leaves out.
const GIVEN: &str = "
    SELECT pg_describe_object(classoid, objoid, objsubid), initprivs FROM pg_init_privs WHERE privtype = 'e' ORDER BY 1";

/// What a fresh extension has in a database, an updated one has too.
#[test]
fn an_updated_extension_is_as_a_fresh_one() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        let mut fresh = database(&server, "fresh", "CREATE EXTENSION pg_ext_memcheck");
        for (name, version) in [("from_0_0_1", "0.0.1"), ("from_0_1_0", "0.1.0")] {
            let mut updated =
                database(&server, name, &format!("CREATE EXTENSION pg_ext_memcheck VERSION '{version}' SCHEMA public"));
            updated.gives("ALTER EXTENSION pg_ext_memcheck UPDATE", "");
            for what in [OBJECTS, FUNCTIONS, RELATIONS, EXTENSION, GIVEN] {
                let expected = fresh.ask(what);
                assert!(expected.contains('|'), "{expected}");
                assert_eq!(updated.ask(what), expected, "from {version}");
            }
            // The schema is the extension's, and goes with it.
            updated.gives("DROP EXTENSION pg_ext_memcheck", "");
            updated.gives("SELECT to_regnamespace('ext_memcheck') IS NULL", "t");
        }
        server.stop();
    });
}

#[test]
fn an_update_keeps_what_is_its_users() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        for (name, version, callable) in
            [("old", "0.0.1", "run_scenario(text, integer)"), ("newer", "0.1.0", "run_scenario(text, integer, text)")]
        {
            let mut session = database(
                &server,
                name,
                &format!(
                    "CREATE EXTENSION pg_ext_memcheck VERSION '{version}';
                     CREATE ROLE {name}_owner; CREATE ROLE {name}_user;
                     INSERT INTO ext_memcheck.violation_log (ts, backend_pid, check_type, severity, detail)
                     SELECT '2026-01-01', n, 'context_leak', 'INFO', 'no. ' || n FROM generate_series(1, 1000) n;
                     DELETE FROM ext_memcheck.violation_log WHERE id > 900;
                     ALTER TABLE ext_memcheck.violation_log OWNER TO {name}_owner;
                     GRANT SELECT ON ext_memcheck.violation_log TO {name}_user;
                     GRANT EXECUTE ON FUNCTION ext_memcheck.{callable}, ext_memcheck.flush_violations() TO {name}_user;
                     CREATE VIEW public.worst AS SELECT id, detail FROM ext_memcheck.violation_log WHERE severity = 'ERROR';
                     CREATE FUNCTION ext_memcheck.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"
                ),
            );
            let rows = "SELECT count(*), md5(string_agg(l.id || l.ts::text || l.backend_pid || l.detail, '' ORDER BY id))
                          FROM ext_memcheck.violation_log l";
            let before = session.ask(rows);
            session.gives("ALTER EXTENSION pg_ext_memcheck UPDATE TO '1.0'", "");
            assert!(before.starts_with("900|"), "{before}");
            session.gives(rows, &before);
            session.gives("SELECT count(*) FROM public.worst", "0");
            session.gives(
                "INSERT INTO ext_memcheck.violation_log (backend_pid, check_type, severity, detail)
                 VALUES (1, '', '', '') RETURNING id, source_lib",
                "1001|",
            );
            session.gives(
                "SELECT relowner::regrole FROM pg_class WHERE oid = 'ext_memcheck.violation_log'::regclass",
                &format!("{name}_owner"),
            );
            session.gives(
                &format!(
                    "SELECT has_table_privilege('{name}_user', 'ext_memcheck.violation_log', 'SELECT'),
                            has_function_privilege('{name}_user', 'ext_memcheck.run_scenario', 'EXECUTE'),
                            has_function_privilege('{name}_user', 'ext_memcheck.flush_violations()', 'EXECUTE'),
                            has_function_privilege('{name}_user', 'ext_memcheck.clear_violations()', 'EXECUTE'),
                            has_function_privilege('{name}_user', 'ext_memcheck.mine()', 'EXECUTE')"
                )
                .replace("'ext_memcheck.run_scenario'", "'ext_memcheck.run_scenario'::regproc"),
                "t|t|t|f|t",
            );
            session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
            session.gives("SELECT count(*) FROM ext_memcheck.end()", "0");
            session.gives("SELECT ext_memcheck.flush_violations()", "0");
            session.gives("SELECT count(*) > 1 FROM ext_memcheck.scenarios", "t");
        }
        server.stop();
    });
}

/// What an update may not take away, it does not half.
#[test]
fn an_update_that_fails_changes_nothing() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        let mut session = database(
            &server,
            "depending",
            "CREATE EXTENSION pg_ext_memcheck VERSION '0.1.0';
             CREATE VIEW segments AS SELECT ext_memcheck.run_scenario('x', 1, 'SELECT 1');
             INSERT INTO ext_memcheck.violation_log (backend_pid, check_type, severity, detail) VALUES (1, 'a', 'b', 'c')",
        );
        let before: Vec<String> = [OBJECTS, FUNCTIONS, RELATIONS, EXTENSION].map(|what| session.ask(what)).into();
        let refused = session.ask("ALTER EXTENSION pg_ext_memcheck UPDATE");
        assert!(refused.starts_with("2BP01 cannot drop "), "{refused}");
        assert_eq!([OBJECTS, FUNCTIONS, RELATIONS, EXTENSION].map(|what| session.ask(what)).to_vec(), before);
        session.gives("SELECT detail FROM ext_memcheck.violation_log", "c");
        session.gives("SELECT count(*) FROM segments", "1");
        session.gives("DROP VIEW segments", "");
        session.gives("ALTER EXTENSION pg_ext_memcheck UPDATE", "");
        session.gives("SELECT detail FROM ext_memcheck.violation_log", "c");
        server.stop();
    });
}

#[test]
fn everything_has_a_comment() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let objects = session.ask(OBJECTS);
        assert!(objects.lines().count() >= 19, "{objects}");
        let without: Vec<&str> = objects.lines().filter(|line| line.ends_with('|')).collect();
        assert_eq!(without, [""; 0]);
        session.gives(
            "SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
              WHERE relnamespace = 'ext_memcheck'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0
                AND col_description(attrelid, attnum) IS NULL",
            "",
        );
        session.gives(
            "SELECT count(*) > 0, string_agg(name, ' ') FILTER (WHERE short_desc = '' OR coalesce(extra_desc, '') = '')
               FROM pg_settings WHERE name LIKE 'pg_ext_memcheck.%'",
            "t|",
        );
        session.gives(
            "SELECT obj_description(oid, 'pg_extension') <> '' FROM pg_extension WHERE extname ~ 'memcheck'",
            "t",
        );
        // And nobody may call a function who was not allowed to.
        session.gives(
            "SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'ext_memcheck'::regnamespace
                AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))",
            "",
        );
    });
}

/// It can be put where a dump of the reference's says, and does not depend on the schema that it is put into.
#[test]
fn any_schema_will_do() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        let mut session = database(&server, "elsewhere", "CREATE EXTENSION pg_ext_memcheck WITH SCHEMA public");
        session.gives("SELECT ext_memcheck.flush_violations()", "0");
        session.gives("DROP EXTENSION pg_ext_memcheck", "");
        session.gives("CREATE EXTENSION pg_ext_memcheck SCHEMA pg_catalog", "");
        session.gives("DROP SCHEMA public CASCADE", "");
        session.gives("SELECT ext_memcheck.flush_violations()", "0");
        session.gives("DROP EXTENSION pg_ext_memcheck", "");
        // What is there already is not taken.
        session.gives("CREATE SCHEMA ext_memcheck", "");
        let refused = session.ask("CREATE EXTENSION pg_ext_memcheck SCHEMA pg_catalog");
        assert!(refused.starts_with("55000 schema ext_memcheck is not a member of extension"), "{refused}");
        server.stop();
    });
}
