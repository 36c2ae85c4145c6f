//! Servers that somebody else runs, reached by TCP and TLS as libpq reaches them, and what is said where they are not; and a
//! server that the engine was not built for.

use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::project::{Project, end, eventually};
use mcspec::server::{RunDirectory, Server, ServerOptions, Stage, Template};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

const GOOD: &str = "golden none\nscenario window\n  iterations 2\n  workload { SELECT 1 }\n  expect no context_leak\n";
/// Is cancelled, by a second connection.
const LATE: &str = "golden none\nscenario window\n  timeout 1s\n  workload { SELECT pg_sleep(600) }\n  expect none\n";

const CONF: &str = "
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0777
fsync = off
ssl = on
ssl_ca_file = 'root.crt'
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
shared_preload_libraries = 'pg_ext_memcheck'
";

const HBA: &str = "
local all all trust
hostssl all carol 127.0.0.1/32 cert
hostssl all scram 127.0.0.1/32 scram-sha-256
host all expired 127.0.0.1/32 scram-sha-256
host all rejected 127.0.0.1/32 reject
hostnossl all plain 127.0.0.1/32 trust
hostssl all postgres 127.0.0.1/32 trust
";

const ROLES: &str = "
CREATE ROLE carol SUPERUSER LOGIN;
CREATE ROLE scram SUPERUSER LOGIN PASSWORD 'hu\\:sh';
CREATE ROLE expired SUPERUSER LOGIN PASSWORD 'hush' VALID UNTIL '2001-01-01';
CREATE ROLE rejected SUPERUSER LOGIN;
CREATE ROLE plain SUPERUSER LOGIN;
CREATE ROLE nologin;
CREATE ROLE weak LOGIN;
CREATE ROLE full_up LOGIN CONNECTION LIMIT 0;
";

/// A server that listens at a port, until it is dropped.
struct Listening {
    postmaster: Child,
    port: u16,
    directory: PathBuf,
    /// Its files, which go with it.
    _installed: (Stage, RunDirectory),
}

impl Listening {
    fn start(project: &Project) -> Self {
        let (stage, run) = project.stage(true);
        let directory = run.path().join("tcp");
        fs::create_dir(&directory).unwrap();
        let account = User::from_name(run.account().name()).unwrap().unwrap();
        let own = |path: &Path| {
            if geteuid().is_root() {
                chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw())).unwrap();
            }
        };
        own(&directory);
        let command = |program: &str| {
            let mut command = Command::new(stage.installation().bin_dir.join(program));
            if geteuid().is_root() {
                command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
            }
            command.current_dir(&directory).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        let data = directory.join("data");
        let made = command("initdb").args(["-N", "-U", "postgres", "-A", "trust", "-D"]).arg(&data).status().unwrap();
        assert!(made.success());
        for name in ["root.crt", "server.crt", "server.key", "names.crt", "names.key", "own.crt", "own.key"] {
            let file = data.join(name);
            fs::copy(certificate(name), &file).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            own(&file);
        }
        let mut conf = fs::File::options().append(true).open(data.join("postgresql.conf")).unwrap();
        conf.write_all(CONF.as_bytes()).unwrap();
        fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        // Nobody else takes it meanwhile, in all likelihood.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = fs::File::create(directory.join("log")).unwrap();
        let mut postgres = command("postgres");
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(&directory);
        let postmaster = postgres.stderr(log).spawn().unwrap();
        let listening = Listening { postmaster, port, directory, _installed: (stage, run) };
        eventually("the server is there", || listening.client().is_ok());
        listening.client().unwrap().batch_execute(ROLES).unwrap();
        for sql in [
            "CREATE DATABASE closed ALLOW_CONNECTIONS false",
            "CREATE DATABASE revoked",
            "REVOKE CONNECT ON DATABASE revoked FROM PUBLIC",
        ] {
            listening.client().unwrap().batch_execute(sql).unwrap();
        }
        listening
    }

    fn client(&self) -> Result<postgres::Client, postgres::Error> {
        let mut config = postgres::Config::new();
        config.host_path(&self.directory).port(self.port).user("postgres").dbname("postgres");
        config.connect(postgres::NoTls)
    }

    /// Shows another certificate from now on.
    fn show(&self, name: &str) {
        let mut client = self.client().unwrap();
        for (parameter, suffix) in [("ssl_cert_file", "crt"), ("ssl_key_file", "key")] {
            client.batch_execute(&format!("ALTER SYSTEM SET {parameter} = '{name}.{suffix}'")).unwrap();
        }
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        let shown = format!("{name}.crt");
        eventually("the certificate is another", || {
            let row = self.client().unwrap().query_one("SHOW ssl_cert_file", &[]).unwrap();
            row.get::<_, String>(0) == shown
        });
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.postmaster.id().cast_signed()), Signal::SIGQUIT);
        let _ = self.postmaster.wait();
    }
}

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/given/certificates").join(name)
}

/// A copy that only its owner can read.
fn private(project: &Project, name: &str, text: &str) -> String {
    project.write(name, text);
    fs::set_permissions(project.path(name), Permissions::from_mode(0o600)).unwrap();
    project.path(name).display().to_string()
}

/// Runs on a server without the user's own files; exit code and what is said.
fn on(project: &Project, uri: &str, variables: &[(&str, &str)], arguments: &str) -> (i32, String) {
    let mut command = project.on(uri, arguments);
    command.env("HOME", project.path(""));
    for name in ["PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSSLMODE"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let ended = end(command);
    (ended.code, format!("{}{}", ended.stdout, ended.stderr))
}

#[test]
fn servers_are_reached_as_libpq_reaches_them() {
    let project = Project::new(&[
        ("specs/good.mcspec", GOOD),
        ("specs/late.mcspec", LATE),
        ("schedule", "test: good\ntest: late\n"),
    ]);
    let server = Listening::start(&project);
    let at = format!("host=localhost hostaddr=127.0.0.1 port={}", server.port);
    let [root, other, own, client] =
        ["root.crt", "other.crt", "own.crt", "client.crt"].map(|name| certificate(name).display().to_string());
    let key = private(&project, "client.key", &fs::read_to_string(certificate("client.key")).unwrap());
    let open = project.path("open.key");
    fs::copy(&key, &open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    let open = open.display();
    let passfile = private(&project, "pass", "localhost:*:*:scram:hu\\\\\\:sh\n");

    // Whether it connects; the words of the error otherwise. Certificates are those that the manual of PostgreSQL tells to make.
    let table = [
        (format!("{at} user=postgres"), ""),
        (format!("{at} user=postgres sslmode=disable"), "no pg_hba.conf entry for host \"127.0.0.1\""),
        (format!("{at} user=postgres sslmode=allow"), ""),
        (format!("{at} user=plain"), ""),
        (format!("{at} user=plain sslmode=require"), "hint: add to its pg_hba.conf: host all \"plain\" 127.0.0.1/32"),
        (format!("{at} user=postgres sslmode=require sslrootcert={other}"), "certificate verify failed"),
        (format!("{at} user=postgres sslmode=verify-ca sslrootcert={root}"), ""),
        (format!("{at} user=postgres sslmode=verify-ca"), "root.crt\" does not exist"),
        (format!("{at} user=postgres sslmode=verify-full sslrootcert={root}"), ""),
        (format!("{at} user=postgres sslmode=verify-full sslrootcert={other}"), "certificate verify failed"),
        (
            format!("host=127.0.0.1 port={} user=postgres sslmode=verify-full sslrootcert={root}", server.port),
            "server certificate for \"localhost\" does not match host name \"127.0.0.1\"",
        ),
        (format!("{at} user=postgres sslmode=verify-full sslrootcert={root} ssl_max_protocol_version=TLSv1.2"), ""),
        (format!("{at} user=carol sslcert={client} sslkey={key}"), ""),
        (format!("{at} user=carol sslmode=require"), "valid client certificate"),
        (format!("{at} user=carol sslmode=require sslcert={client} sslkey={open}"), "has group or world access"),
        (format!("{at} user=scram passfile={passfile} channel_binding=require"), ""),
        (format!("{at} user=scram sslmode=require"), "set PGPASSWORD"),
        (format!("{at} user=scram sslmode=require password=wrong"), "authentication failed for user \"scram\" (28P01)"),
        (format!("{at} user=scram password=wrong"), "hint: check the password"),
        (format!("{at} user=expired password=hush"), "VALID UNTIL 'infinity'"),
        (format!("{at} user=rejected"), "a line \"reject\" of its pg_hba.conf fits"),
        (format!("{at} user=postgres dbname=nonesuch"), "hint: CREATE DATABASE \"nonesuch\""),
        (format!("{at} user=postgres dbname=closed"), "ALLOW_CONNECTIONS true"),
        (format!("postgresql://postgres@localhost:{}/postgres?sslmode=require&hostaddr=127.0.0.1", server.port), ""),
        (format!("postgresql://scram:hu%5C%3Ash@127.0.0.1:{}/?sslmode=require", server.port), ""),
        (format!("{at} user=postgres target_session_attrs=standby"), "server is not in hot standby mode"),
        (format!("{at} user=postgres hots=x"), "invalid connection option \"hots\""),
        (format!("host=/nonexistent,localhost port=1,{} user=postgres", server.port), ""),
    ];
    for (uri, expected) in &table {
        let (code, said) = on(&project, uri, &[], "-n good");
        assert_eq!((code == 0, said.contains(expected)), (expected.is_empty(), true), "{uri}\n{said}");
        assert!(!said.contains("hush") && !said.contains("db error"), "{uri}\n{said}");
    }
    let socket = format!("host={} port={}", server.directory.display(), server.port);
    for (role, expected) in [
        (
            "nologin",
            "FATAL: role \"nologin\" is not permitted to log in (28000)\nmcspec: hint: ALTER ROLE \"nologin\" LOGIN",
        ),
        ("nonesuch", "hint: CREATE ROLE \"nonesuch\" LOGIN SUPERUSER"),
        ("weak", "the role \"weak\" is no superuser\nmcspec: hint: specs make databases and extensions"),
        ("full_up", "hint: ALTER ROLE \"full_up\" CONNECTION LIMIT -1"),
        ("weak dbname=revoked", "DETAIL:  User does not have CONNECT privilege.\nmcspec: hint: GRANT CONNECT"),
    ] {
        let (code, said) = on(&project, &format!("{socket} user={role}"), &[], "-n good");
        assert_eq!((code, said.contains(expected)), (2, true), "{role}\n{said}");
    }

    // A certificate that is its own root, and one with alternative names.
    server.show("own");
    let (code, said) =
        on(&project, &format!("{at} user=postgres sslmode=verify-full sslrootcert={own}"), &[], "-n good");
    assert_eq!(code, 0, "{said}");
    server.show("names");
    for (host, fits) in [("db.example", true), ("127.0.0.1", true), ("elsewhere.example", false), ("localhost", false)]
    {
        let uri = format!(
            "host={host} hostaddr=127.0.0.1 port={} user=postgres sslmode=verify-full sslrootcert={root}",
            server.port
        );
        let (code, said) = on(&project, &uri, &[], "-n good");
        assert_eq!(code == 0, fits, "{host}\n{said}");
    }

    // A whole run over TLS, from a service file and a password file: its cancel requests go the same way.
    project.write(
        ".pg_service.conf",
        &format!("[s]\nhost=localhost\nhostaddr=127.0.0.1\nport={}\nuser=scram\nsslmode=require\n", server.port),
    );
    private(&project, ".pgpass", "localhost:*:*:scram:hu\\\\\\:sh\n");
    let (code, said) = on(&project, "service=s", &[], "");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("\nok 1 - good") && said.contains("not done after 1 s"), "{said}");
    let (code, said) = on(&project, "", &[("PGSERVICE", "s"), ("PGPASSFILE", &passfile)], "-n good");
    assert_eq!(code, 0, "{said}");
    fs::set_permissions(project.path(".pgpass"), Permissions::from_mode(0o644)).unwrap();
    let (code, said) = on(&project, "service=s", &[], "-n good");
    assert_eq!((code, said.contains("needs a password")), (2, true), "{said}");
}

/// The server's program with another name in it, as other products made of PostgreSQL's sources have.
#[test]
fn a_server_of_another_product_is_refused_by_the_engine() {
    let project = Project::new(&[]);
    let (stage, _run) = project.stage(true);
    let program = stage.installation().bin_dir.join("postgres");
    let mut bytes = fs::read(&program).unwrap();
    let name = format!("PostgreSQL {} on ", stage.installation().version.text);
    let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).expect("its name");
    bytes[at..at + 10].copy_from_slice(b"PostgresXL");
    let permissions = fs::metadata(&program).unwrap().permissions();
    fs::remove_file(&program).unwrap();
    fs::write(&program, bytes).unwrap();
    fs::set_permissions(&program, permissions).unwrap();
    let template = Template::create(&stage).unwrap();
    let error = Server::start(&stage, &template, &ServerOptions::default()).expect_err("it is refused").to_string();
    for words in [
        "FATAL:  pg_ext_memcheck cannot check this server",
        "it calls itself \"PostgresXL ",
        "Build it with the pg_config of this server: mcspec engine build --pg-config",
    ] {
        assert!(error.contains(words), "{error}");
    }
}
