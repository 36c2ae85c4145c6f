use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A connection string, variables, and what comes of both.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// An environment with these variables and a home directory.
fn around(variables: &[(&str, &str)], home: &Path) -> Surroundings {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Surroundings {
        variable: Box::new(move |name| variables.get(name).cloned()),
        home: Some(home.to_owned()),
        user: Some("me".to_owned()),
    }
}

fn shown(settings: &Settings) -> String {
    let places = settings.places.iter().map(|place| match &place.address {
        Address::Unix(path) => path.display().to_string().replace('\0', "@"),
        Address::Tcp(address, port) if *address == place.host => format!("{address}:{port}"),
        Address::Tcp(address, port) => format!("{}={address}:{port}", place.host),
    });
    let places: Vec<String> = places.collect();
    format!("{} {} {}", places.join(","), settings.user, settings.database)
}

#[test]
fn strings_are_completed_in_libpqs_order() {
    let home = tempfile::tempdir().expect("a directory");
    let service = "[s]\nhost=service\nport=7\nuser=su\n";
    fs::write(home.path().join(".pg_service.conf"), service).expect("written");
    let other = home.path().join("other.conf");
    fs::write(&other, "[s]\nhost=other\n").expect("written");
    let other = other.display().to_string();
    let system = home.path().join("etc");
    fs::create_dir(&system).expect("made");
    fs::write(system.join("pg_service.conf"), "[t]\nhost=system\n").expect("written");
    let system = system.display().to_string();
    let table: &[Row] = &[
        ("host=h", &[], "h:5432 me postgres"),
        ("host=/run/a port=5433 user=u dbname=d", &[], "/run/a/.s.PGSQL.5433 u d"),
        ("host=@a", &[], "@a/.s.PGSQL.5432 me postgres"),
        ("host=a,b port=1,2", &[], "a:1,b:2 me postgres"),
        ("host=a,b port=1", &[], "a:1,b:1 me postgres"),
        ("host=a,b port=1,", &[], "a:1,b:5432 me postgres"),
        ("host=a hostaddr=127.0.0.1", &[], "a=127.0.0.1:5432 me postgres"),
        ("hostaddr=::1", &[], "::1:5432 me postgres"),
        ("", &[("PGHOST", "e"), ("PGPORT", "9"), ("PGUSER", "eu"), ("PGDATABASE", "ed")], "e:9 eu ed"),
        ("host=h", &[("PGHOST", "e"), ("PGPORT", "9")], "h:9 me postgres"),
        ("service=s", &[("PGHOST", "e"), ("PGDATABASE", "ed")], "service:7 su ed"),
        ("service=s host=h", &[], "h:7 su postgres"),
        ("host=h", &[("PGSERVICE", "s")], "h:7 su postgres"),
        ("service=s", &[("PGSERVICEFILE", &other)], "other:5432 me postgres"),
        ("service=t", &[("PGSYSCONFDIR", &system)], "system:5432 me postgres"),
        ("postgresql://%2Frun%2Fa/d", &[], "/run/a/.s.PGSQL.5432 me d"),
    ];
    for (text, variables, expected) in table {
        let resolved = Settings::read(text, &around(variables, home.path()));
        assert_eq!(shown(&resolved.expect(text).settings), *expected, "{text} {variables:?}");
    }
}

#[test]
fn what_cannot_be_done_is_named() {
    let home = tempfile::tempdir().expect("a directory");
    let table: &[Row] = &[
        ("hots=x", &[], "invalid connection option \"hots\""),
        ("host=a,b port=1,2,3", &[], "could not match 3 port numbers to 2 hosts"),
        ("host=a hostaddr=1.2.3.4,1.2.3.5", &[], "could not match 1 host names to 2 hostaddr values"),
        ("host=a port=65536", &[], "invalid port number: \"65536\""),
        ("hostaddr=localhost", &[], "could not parse network address \"localhost\""),
        ("host=a sslmode=yes", &[], "invalid sslmode value: \"yes\""),
        ("host=a", &[("PGSSLMODE", "on")], "invalid sslmode value: \"on\""),
        (
            "host=a sslrootcert=system sslmode=require",
            &[],
            "weak sslmode \"require\" may not be used with sslrootcert=system (use \"verify-full\")",
        ),
        (
            "host=a sslnegotiation=direct",
            &[],
            "weak sslmode \"prefer\" may not be used with sslnegotiation=direct (use \"require\", \"verify-ca\", or \"verify-full\")",
        ),
        (
            "host=a connect_timeout=soon",
            &[],
            "invalid integer value \"soon\" for connection option \"connect_timeout\"",
        ),
        ("host=a target_session_attrs=master", &[], "invalid target_session_attrs value: \"master\""),
        (
            "host=a gssencmode=require",
            &[],
            "\"require\" of connection option \"gssencmode\" (PGGSSENCMODE) is not supported",
        ),
        (
            "host=a",
            &[("PGREQUIREAUTH", "scram-sha-256")],
            "connection option \"require_auth\" (PGREQUIREAUTH) is not supported",
        ),
        ("host=a replication=database", &[], "\"database\" of connection option \"replication\" is not supported"),
        (
            "service=nonesuch",
            &[("PGSYSCONFDIR", "/dev/null/etc")],
            "definition of service \"nonesuch\" not found: there is no service file",
        ),
    ];
    for (text, variables, expected) in table {
        let error = Settings::read(text, &around(variables, home.path())).expect_err(text);
        assert_eq!(error.reason, *expected, "{text} {variables:?}");
    }
}

#[test]
fn passwords_are_found_and_not_shown() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join(".pgpass");
    fs::write(&file, "a:1:*:me:hush-a\nb:*:postgres:me:hush-b\nlocalhost:*:*:me:hush-local\n").expect("written");
    let passwords = |text: &str, variables: &[(&str, &str)]| {
        let resolved = Settings::read(text, &around(variables, home.path())).expect(text);
        assert!(!format!("{resolved:?}").contains("hush"), "{resolved:?}");
        let places = resolved.settings.places.iter();
        let found = places.map(|place| place.password.as_ref().map_or("-", |Secret(password)| password).to_owned());
        (found.collect::<Vec<_>>().join(" "), resolved.warnings.len())
    };
    assert_eq!(passwords("host=a", &[]), ("-".to_owned(), 1), "others may read the file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    for (text, variables, expected) in [
        ("host=a,b,c port=1", &[][..], "hush-a hush-b -"),
        ("host=c hostaddr=127.0.0.1", &[], "-"),
        ("host=b dbname=d", &[], "-"),
        ("host=/tmp", &[], "hush-local"),
        ("host=/elsewhere", &[], "-"),
        ("host=a,b password=hush", &[], "hush hush"),
        ("host=a", &[("PGPASSWORD", "hush-env")], "hush-env"),
        ("host=a port=1", &[("PGPASSWORD", "")], "hush-a"),
        ("host=a port=1 passfile=/dev/null/pgpass", &[], "-"),
        ("host=a port=1", &[("PGPASSFILE", "/dev/null/pgpass")], "-"),
    ] {
        assert_eq!(passwords(text, variables), (expected.to_owned(), 0), "{text} {variables:?}");
    }
}

#[test]
fn a_session_begins_as_the_environment_says() {
    let home = tempfile::tempdir().expect("a directory");
    let variables =
        [("PGTZ", "Europe/Vienna"), ("PGDATESTYLE", "ISO, DMY"), ("PGGEQO", "default"), ("PGOPTIONS", "-c a.b=1")];
    let resolved = Settings::read("host=a", &around(&variables, home.path())).expect("settings");
    let of = resolved.settings.of("d", "-c c.d=2");
    assert_eq!(of.options, r"-c datestyle=ISO,\ DMY -c timezone=Europe/Vienna -c a.b=1 -c c.d=2");
}
