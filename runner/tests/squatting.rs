//! What another role has put where the extension's objects go, or where they might be looked for: none of it is ever called by a
//! superuser who creates, updates or uses the extension.

use mcspec::server::Server;

use crate::cluster::Session;
use crate::cluster::shared::Shared;

static SHARED: Shared = Shared::new(&[], &[], &[]);

/// A new database, with a role that may create schemas in it and objects in public.
fn database(server: &Server, name: &str) -> Session {
    let mut session = Session::open(server);
    session.ask("CREATE ROLE squatter");
    session.gives(&format!("CREATE DATABASE {name}"), "");
    let mut session = Session { client: server.connect(name).expect("connected") };
    session
        .gives(&format!("GRANT CREATE ON DATABASE {name} TO squatter; GRANT CREATE ON SCHEMA public TO squatter"), "");
    session
}

/// Runs something as that role.
fn as_squatter(session: &mut Session, sql: &str) {
    session.gives("SET ROLE squatter", "");
    session.gives(sql, "");
    session.gives("RESET ROLE", "");
}

/// Whether a trap was called by a superuser.
fn was_called(session: &mut Session) -> bool {
    session.ask("SELECT rolsuper FROM pg_roles WHERE rolname = 'squatter'") == "t"
}

/// The body of a function that gives the squatter everything, if it can.
const TRAP: &str = "BEGIN
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        ALTER ROLE squatter SUPERUSER;
    END IF;";

#[test]
fn a_schema_that_is_there_is_not_taken() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        let mut session = database(&server, "taken");
        as_squatter(&mut session, "CREATE SCHEMA ext_memcheck");
        for create in [
            "CREATE EXTENSION pg_ext_memcheck",
            "CREATE EXTENSION IF NOT EXISTS pg_ext_memcheck",
            "CREATE EXTENSION pg_ext_memcheck SCHEMA ext_memcheck",
            "CREATE EXTENSION pg_ext_memcheck SCHEMA public",
        ] {
            let refused = session.ask(create);
            assert!(
                refused.starts_with("55000 schema ext_memcheck is not a member of extension"),
                "{create}: {refused}"
            );
        }
        let old = session.ask("CREATE EXTENSION pg_ext_memcheck VERSION '0.1.0'");
        assert!(old.starts_with("42P06 "), "{old}");
        session.gives("SELECT count(*) FROM pg_extension WHERE extname ~ 'memcheck'", "0");
        server.stop();
    });
}

#[test]
fn nobody_but_the_owner_creates_in_the_schema() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        let creators = "SELECT grantee::regrole FROM pg_namespace, aclexplode(nspacl)
                         WHERE nspname = 'ext_memcheck' AND privilege_type = 'CREATE' AND grantee <> nspowner";
        let mut session = database(&server, "defaults");
        session.gives("ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO squatter, PUBLIC", "");
        session.gives("CREATE EXTENSION pg_ext_memcheck", "");
        session.gives(creators, "");

        let mut session = database(&server, "granted");
        session.gives("CREATE EXTENSION pg_ext_memcheck VERSION '0.1.0'", "");
        session.gives("CREATE ROLE \"one more\"", "");
        session.gives("GRANT ALL ON SCHEMA ext_memcheck TO squatter WITH GRANT OPTION", "");
        as_squatter(&mut session, "GRANT ALL ON SCHEMA ext_memcheck TO PUBLIC, \"one more\"");
        // What would be called in place of the extension's functions stands in the way of an update.
        for planted in ["\"begin\"()", "mark(integer)", "run_scenario(text, integer)"] {
            as_squatter(
                &mut session,
                &format!("CREATE FUNCTION ext_memcheck.{planted} RETURNS int LANGUAGE plpgsql AS $${TRAP} RETURN 1; END $$"),
            );
            session.gives(
                "ALTER EXTENSION pg_ext_memcheck UPDATE",
                "55000 schema ext_memcheck has functions that are not of the extension and have the names of its own HINT: Drop \
                 them first.",
            );
            session.gives(&format!("DROP FUNCTION ext_memcheck.{planted}"), "");
        }
        session.gives("ALTER EXTENSION pg_ext_memcheck UPDATE", "");
        session.gives("SELECT extversion FROM pg_extension WHERE extname ~ 'memcheck'", "1.0");
        session.gives(creators, "");
        session.gives("SELECT has_schema_privilege('squatter', 'ext_memcheck', 'CREATE')", "f");
        assert!(!was_called(&mut session));

        // Granted afterwards, begin() says so.
        session.gives("GRANT CREATE ON SCHEMA ext_memcheck TO squatter", "");
        session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
        session.gives("SELECT count(*) FROM ext_memcheck.end()", "0");
        let log = server.log_tail(100);
        assert!(log.contains("role squatter can create functions in schema ext_memcheck"), "{log}");

        let mut session = database(&server, "owned");
        session.gives("CREATE EXTENSION pg_ext_memcheck VERSION '0.1.0'", "");
        session.gives("ALTER SCHEMA ext_memcheck OWNER TO squatter", "");
        session.gives(
            "ALTER EXTENSION pg_ext_memcheck UPDATE",
            "55000 schema ext_memcheck is owned by role squatter, which is not a superuser HINT: ALTER SCHEMA ext_memcheck OWNER \
             TO postgres;",
        );
        session.gives("ALTER SCHEMA ext_memcheck OWNER TO postgres", "");
        session.gives("ALTER EXTENSION pg_ext_memcheck UPDATE", "");
        server.stop();
    });
}

/// Operators and functions that fit the scripts and functions of the extension better than the server's own, in the schemas that
/// a session looks in, and types in its temporary schema.
#[test]
fn what_fits_better_is_not_called() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        for (name, version) in [("fits_1_0", "1.0"), ("fits_0_1_0", "0.1.0"), ("fits_0_0_1", "0.0.1")] {
            let mut session = database(&server, name);
            let mut plant = String::new();
            for (operator, left, right) in [
                ("=", "oid", "regprocedure"),
                ("=", "oid", "regrole"),
                ("=", "oid", "regnamespace"),
                ("=", "oid", "regclass"),
                ("=", "name", "varchar"),
                ("<>", "regrole", "oid"),
                ("~~", "text", "varchar"),
                ("!~~", "text", "varchar"),
            ] {
                plant += &format!(
                    "CREATE FUNCTION public.trap_{n}({left}, {right}) RETURNS bool LANGUAGE plpgsql AS $${TRAP} RETURN true; END $$;
                     CREATE OPERATOR public.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = public.trap_{n});",
                    n = plant.len(),
                );
            }
            for (function, result) in [
                ("now()", "timestamptz"),
                ("pg_backend_pid()", "int"),
                ("to_regprocedure(text)", "regprocedure"),
                ("format(text, regprocedure, name)", "text"),
                ("format(text, name)", "text"),
                ("quote_ident(name)", "text"),
                ("nextval(regclass)", "bigint"),
                ("pg_extension_config_dump(regclass, text)", "void"),
            ] {
                let value = if result == "void" { "" } else { " NULL" };
                plant += &format!(
                    "CREATE FUNCTION public.{function} RETURNS {result} LANGUAGE plpgsql AS $${TRAP} RETURN{value}; END $$;"
                );
            }
            as_squatter(&mut session, &plant);
            session.gives("CREATE DOMAIN pg_temp.text AS int; CREATE DOMAIN pg_temp.regprocedure AS int", "");
            session.gives("SET search_path = public, pg_temp", "");
            session.gives(&format!("CREATE EXTENSION pg_ext_memcheck SCHEMA public VERSION '{version}'"), "");
            if version != "1.0" {
                session.gives("ALTER EXTENSION pg_ext_memcheck UPDATE", "");
            }
            // As a user might have it, and as nobody should.
            for path in ["public, pg_temp", "pg_temp, public, pg_catalog, ext_memcheck"] {
                session.gives(&format!("SET search_path = {path}"), "");
                session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
                session.gives("SELECT ext_memcheck.mark(1)", "");
                session.gives("SELECT count(*) FROM ext_memcheck.end()", "0");
                for call in [
                    "findings()",
                    "window_stats()",
                    "window_targets()",
                    "window_contexts()",
                    "catcache_stats()",
                    "backend_contexts(pg_catalog.pg_backend_pid())",
                    "flush_violations()",
                    "clear_violations()",
                ] {
                    let said = session.ask(&format!("SELECT pg_catalog.count(*) FROM ext_memcheck.{call}"));
                    assert!(said.parse::<u32>().is_ok(), "{call}: {said}");
                }
            }
            assert!(!was_called(&mut session), "{version}");
        }
        server.stop();
    });
}

/// The function that runs the caller's SQL runs it by the caller's path and role; all others have a path of their own.
#[test]
fn every_function_has_a_path_of_its_own() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.gives(
            "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'ext_memcheck'::regnamespace
                AND (proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp'] OR prosecdef)",
            "run_scenario|",
        );
        session.gives("CREATE SCHEMA path_of_caller; CREATE TABLE path_of_caller.seen (path text, role name)", "");
        session.gives("CREATE ROLE caller; GRANT ALL ON ALL TABLES IN SCHEMA path_of_caller TO caller", "");
        session.gives("GRANT USAGE ON SCHEMA ext_memcheck, path_of_caller TO caller", "");
        session.gives("GRANT EXECUTE ON FUNCTION ext_memcheck.run_scenario TO caller", "");
        session.gives("SET search_path = path_of_caller; SET ROLE caller", "");
        session.ask(
            "SELECT ext_memcheck.run_scenario('growth_benchmark', 1,
                 $$INSERT INTO seen VALUES (current_setting('search_path'), current_user)$$)",
        );
        session.gives("RESET ROLE; SELECT DISTINCT path, role FROM seen", "path_of_caller|caller");
        session.gives("DROP SCHEMA path_of_caller CASCADE; DROP OWNED BY caller; DROP ROLE caller", "");
    });
}
