//! What each role may do with each object of the extension: by the catalogs, by trying, and by the manual. An object or a parameter
//! without a row in docs/security.md fails, and so does a row without an object.

use mcspec::server::Server;

use crate::cluster::shared::Shared;
use crate::cluster::{Session, login};

static SHARED: Shared = Shared::new(&[], &[], &[]);

/// The columns of the table: a name, and a role that stands for it.
const ROLES: [(&str, &str); 4] = [
    ("superuser", "postgres"),
    ("database owner", "the_owner"),
    ("pg_read_all_stats", "a_reader"),
    ("nobody", "a_nobody"),
];

/// What there can be a right to, by kind of object: the right, and a statement that takes it, with the object's name in place of `$`.
fn rights(kind: &str) -> &'static [(&'static str, Option<&'static str>)] {
    match kind {
        "schema" => {
            &[("usage", Some("SELECT '$.violation_log'::regclass")), ("create", Some("CREATE TABLE $.mine ()"))]
        }
        "function" => &[("execute", Some("SELECT $"))],
        "table" => &[
            ("select", Some("SELECT count(*) FROM ONLY $")),
            ("insert", Some("INSERT INTO $ DEFAULT VALUES")),
            ("update", Some("UPDATE $ SET detail = '' WHERE false")),
            ("delete", Some("DELETE FROM $ WHERE false")),
            ("truncate", Some("TRUNCATE $")),
            ("references", None),
            ("trigger", None),
        ],
        "view" => &[
            ("select", Some("SELECT count(*) FROM $")),
            ("insert", None),
            ("update", None),
            ("delete", None),
            ("truncate", None),
            ("references", None),
            ("trigger", None),
        ],
        "sequence" => &[
            ("usage", Some("SELECT nextval('$')")),
            ("select", Some("SELECT last_value FROM $")),
            ("update", Some("SELECT setval('$', 1)")),
        ],
        "type" => &[("usage", Some("SELECT NULL::$"))],
        "parameter" => &[("set", Some("SET $ TO DEFAULT"))],
        other => panic!("{other}"),
    }
}

/// Kind of object, its name as in the manual, its oid, its name in the statement that takes a right to it.
const OBJECTS: &str = "
    SELECT * FROM (
        SELECT 1, 'schema', nspname::text, oid::text, nspname::text FROM pg_namespace WHERE nspname = 'ext_memcheck'
        UNION ALL
        SELECT 2, 'function', format('%s(%s)', proname, oidvectortypes(proargtypes)), oid::text,
               format('ext_memcheck.%I(%s)', proname,
                      (SELECT string_agg(format('%L::%s', CASE WHEN format_type(type, NULL) LIKE '%[]' THEN '{}' ELSE '0' END,
                                                format_type(type, NULL)), ', ') FROM unnest(proargtypes) type))
          FROM pg_proc WHERE pronamespace = 'ext_memcheck'::regnamespace
        UNION ALL
        SELECT 3, CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE relkind::text END,
               relname, oid::text, oid::regclass::text
          FROM pg_class WHERE relnamespace = 'ext_memcheck'::regnamespace AND relkind NOT IN ('i')
        UNION ALL
        SELECT 4, 'type', typname, oid::text, oid::regtype::text
          FROM pg_type WHERE typnamespace = 'ext_memcheck'::regnamespace
        UNION ALL
        SELECT 5, 'parameter', name, name, name FROM pg_settings WHERE name LIKE 'pg_ext_memcheck.%'
    ) AS objects (rank, kind, name, id, call) ORDER BY rank, kind, name";

/// Whether a role has a right, by the catalogs.
fn has(session: &mut Session, role: &str, kind: &str, id: &str, right: &str) -> bool {
    let of = match kind {
        "table" | "view" => "table",
        kind => kind,
    };
    let asked = match kind {
        "parameter" => format!(
            "SELECT CASE context WHEN 'user' THEN true
                    WHEN 'superuser' THEN has_parameter_privilege('{role}', name, 'SET') ELSE false END
               FROM pg_settings WHERE name = '{id}'"
        ),
        _ => format!("SELECT has_{of}_privilege('{role}', {id}::oid, '{right}')"),
    };
    match session.ask(&asked).as_str() {
        "t" => true,
        "f" => false,
        other => panic!("{asked}: {other}"),
    }
}

/// Whether it is let, by trying.
fn is_let(session: &mut Session, statement: &str) -> bool {
    session.gives("BEGIN", "");
    let said = session.ask(statement);
    session.gives("ROLLBACK", "");
    // A parameter that only a restart changes is nobody's to set.
    !said.starts_with("42501 ") && !said.starts_with("55P02 ")
}

/// The table as it should be in the manual.
fn table(server: &Server, database: &str) -> Vec<String> {
    let mut admin = Session { client: server.connect(database).expect("connected") };
    let mut sessions = ROLES.map(|(_, role)| Session { client: crate::cluster::login_to(server, role, database) });
    let objects = admin.ask(OBJECTS);
    let row = |object: &str| {
        let fields: Vec<&str> = object.split('|').collect();
        let &[_, kind, name, id, call] = fields.as_slice() else { panic!("{object}") };
        let cells = ROLES.iter().zip(&mut sessions).map(|((column, role), session)| {
            let all = rights(kind);
            let mut held = Vec::new();
            for &(right, statement) in all {
                let has = has(&mut admin, role, kind, id, right);
                // Without USAGE of the schema nothing in it can be reached.
                let is_reached = matches!(kind, "schema" | "parameter")
                    || has_usage(&mut admin, role)
                    || !statement.is_some_and(|_| has);
                if let Some(statement) = statement.filter(|_| is_reached) {
                    let statement = statement.replace('$', call);
                    assert_eq!(is_let(session, &statement), has, "{database}: {column}: {statement}");
                }
                if has {
                    held.push(right);
                }
            }
            if held.len() == all.len() && all.len() > 2 { "all".to_owned() } else { held.join(", ") }
        });
        let cells: Vec<String> = cells.collect();
        format!("| {kind} `{name}` | {} |", cells.join(" | ")).replace("|  |", "| |").replace("|  |", "| |")
    };
    objects.lines().map(row).collect()
}

fn has_usage(session: &mut Session, role: &str) -> bool {
    session.ask(&format!("SELECT has_schema_privilege('{role}', 'ext_memcheck', 'USAGE')")) == "t"
}

/// The rows of the manual's table.
fn documented() -> Vec<String> {
    let page = include_str!("../../docs/security.md");
    let kinds = ["schema", "function", "table", "view", "sequence", "type", "parameter"];
    let is_row = |line: &&str| kinds.iter().any(|kind| line.starts_with(&format!("| {kind} `")));
    page.lines().filter(is_row).map(str::to_owned).collect()
}

#[test]
fn each_role_may_do_what_the_manual_says() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        let mut session = Session::open(&server);
        session.gives(
            "CREATE ROLE the_owner LOGIN; CREATE ROLE a_reader LOGIN IN ROLE pg_read_all_stats; CREATE ROLE a_nobody LOGIN",
            "",
        );
        for (database, create) in [
            ("fresh", "CREATE EXTENSION pg_ext_memcheck"),
            ("from_0_0_1", "CREATE EXTENSION pg_ext_memcheck VERSION '0.0.1'; ALTER EXTENSION pg_ext_memcheck UPDATE"),
            ("from_0_1_0", "CREATE EXTENSION pg_ext_memcheck VERSION '0.1.0'; ALTER EXTENSION pg_ext_memcheck UPDATE"),
        ] {
            session.gives(&format!("CREATE DATABASE {database} OWNER the_owner"), "");
            let mut there = Session { client: server.connect(database).expect("connected") };
            for statement in create.split("; ") {
                there.gives(statement, "");
            }
            let table = table(&server, database);
            assert!(table.len() > 25, "{table:?}");
            let documented = documented();
            let rows = table.join("\n");
            assert!(table == documented, "the table of docs/security.md should be, on {database}:\n{rows}");
        }
        server.stop();
    });
}

/// A database owner who is no superuser neither creates the extension, nor updates it, nor takes it away.
#[test]
fn the_extension_is_a_superusers() {
    SHARED.each_with_cluster(|cluster, _| {
        let server = cluster.start_with_old_versions(&[]);
        let mut session = Session::open(&server);
        session.gives("CREATE ROLE the_owner LOGIN", "");
        session.gives("CREATE DATABASE owned OWNER the_owner", "");
        let mut owner = Session { client: crate::cluster::login_to(&server, "the_owner", "owned") };
        let denied = |owner: &mut Session, statement: &str| {
            let said = owner.ask(statement);
            assert!(said.starts_with("42501 "), "{statement}: {said}");
        };
        denied(&mut owner, "CREATE EXTENSION pg_ext_memcheck");
        let mut superuser = Session { client: server.connect("owned").expect("connected") };
        superuser.gives("CREATE EXTENSION pg_ext_memcheck VERSION '0.1.0'", "");
        for statement in [
            "ALTER EXTENSION pg_ext_memcheck UPDATE",
            "DROP EXTENSION pg_ext_memcheck",
            "DROP SCHEMA ext_memcheck CASCADE",
            "ALTER SCHEMA ext_memcheck RENAME TO mine",
            "GRANT ALL ON SCHEMA ext_memcheck TO the_owner",
        ] {
            // GRANT without the right to it is a WARNING.
            if statement.starts_with("GRANT") {
                owner.ask(statement);
            } else {
                denied(&mut owner, statement);
            }
        }
        denied(&mut owner, "CREATE FUNCTION ext_memcheck.mark(int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
        superuser.gives("ALTER EXTENSION pg_ext_memcheck UPDATE", "");
        server.stop();
    });
}

/// What others do is not seen: neither texts of statements, nor what they hold.
#[test]
fn nothing_of_others_is_read() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.gives("CREATE ROLE onlooker LOGIN; GRANT USAGE ON SCHEMA ext_memcheck TO onlooker", "");
        session.gives("PREPARE secret AS SELECT 'do not tell'", "");
        session.ask("EXECUTE secret");
        let pid = session.ask("SELECT pg_backend_pid()");
        let mut onlooker = Session { client: login(server, "onlooker") };
        let mut said = String::new();
        for call in [
            format!("* FROM ext_memcheck.backend_contexts({pid})"),
            format!("* FROM ext_memcheck.live_allocations({pid})"),
            format!("ext_memcheck.begin_in({pid})"),
            format!("* FROM ext_memcheck.end_in({pid})"),
            "* FROM ext_memcheck.violation_log".to_owned(),
            "* FROM ext_memcheck.findings()".to_owned(),
            "ext_memcheck.flush_violations()".to_owned(),
        ] {
            let answer = onlooker.ask(&format!("SELECT {call}"));
            assert!(answer.starts_with("42501 permission denied for "), "{call}: {answer}");
            said += &answer;
        }
        assert!(!said.contains("do not tell"), "{said}");
        session.gives("DROP OWNED BY onlooker; DROP ROLE onlooker", "");
    });
}
