//! Which sections of `mcspec.toml` a run builds, and what comes of one that cannot be built.

use crate::project::{Ended, Project};

const SOURCE: &str = "#include \"postgres.h\"\n#include \"fmgr.h\"\nPG_MODULE_MAGIC;\nPG_FUNCTION_INFO_V1(NAME_one);\nDatum NAME_one(PG_FUNCTION_ARGS) { PG_RETURN_INT32(1); }\n";

/// The sources of an extension, and a spec of that name that calls its function.
fn extension(project: &Project, name: &str, source: &str, control: &str) {
    let makefile =
        format!("MODULES = {name}\nEXTENSION = {name}\nDATA = {name}--1.0.sql\nPGXS := $(shell $(PG_CONFIG) --pgxs)\n");
    project.write(&format!("{name}/Makefile"), &(makefile + "include $(PGXS)\n"));
    project.write(&format!("{name}/{name}.c"), &source.replace("NAME", name));
    project.write(&format!("{name}/{name}.control"), &format!("default_version = '1.0'\n{control}"));
    let script = format!("CREATE FUNCTION {name}_one() RETURNS int LANGUAGE C AS '$libdir/{name}';\n");
    project.write(&format!("{name}/{name}--1.0.sql"), &script);
    spec(project, name, &format!("extension {name} cascade"), &format!("SELECT {name}_one()"));
}

fn spec(project: &Project, name: &str, header: &str, sql: &str) {
    let text =
        format!("{header}\nscenario growth_benchmark calls\n  iterations 20\n  workload {{ {sql}; }}\n  expect none\n");
    project.write(&format!("specs/{name}.mcspec"), &text);
}

fn with_sections(sections: &str) -> Project {
    let project = Project::new(&[]);
    let engine: String = project.read("mcspec.toml").lines().take(2).map(|line| format!("{line}\n")).collect();
    project.write("mcspec.toml", &format!("{engine}{sections}"));
    project
}

fn all(ended: &Ended) -> String {
    format!("{}\n{}", ended.stdout, ended.stderr)
}

#[test]
fn one_that_cannot_be_built_fails_the_specs_that_need_it() {
    let sections = "[extension.good]\npath = \"good\"\n[extension.bad]\npath = \"bad\"\n[extension.worse]\npath = \"nowhere\"\n\
                    [extension.above]\npath = \"above\"\n";
    let project = with_sections(sections);
    extension(&project, "good", SOURCE, "");
    extension(&project, "bad", "this is no C\n", "");
    extension(&project, "above", SOURCE, "requires = 'bad'\n");
    let ended = project.run("--report tap");
    assert_eq!(ended.code, 1, "{}", all(&ended));
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("ok ")).collect();
    assert_eq!(lines.len(), 3, "{}", all(&ended));
    for (line, expected) in lines.iter().zip(["not ok 1 - above", "not ok 2 - bad", "ok 3 - good"]) {
        assert!(line.starts_with(expected), "{}", all(&ended));
    }
    for said in ["extension \"bad\" does not build: make failed with exit status: 2", "bad.c:1:1:"] {
        assert_eq!(ended.stdout.matches(said).count(), 2, "{said}\n{}", all(&ended));
    }
    // What no spec names is not looked at.
    assert!(!all(&ended).contains("worse") && !all(&ended).contains("nowhere"), "{}", all(&ended));
}

#[test]
fn a_name_that_nobody_has_builds_nothing() {
    let project = with_sections("[extension.good]\npath = \"good\"\n[extension.bad]\npath = \"bad\"\n");
    extension(&project, "good", SOURCE, "");
    extension(&project, "bad", "this is no C\n", "");
    spec(&project, "strange", "extension unheard_of", "SELECT 1");
    let ended = project.run("--report tap good strange");
    assert_eq!(ended.code, 1, "{}", all(&ended));
    assert!(ended.stdout.contains("\nok 1 - good") && ended.stdout.contains("not ok 2 - strange"), "{}", all(&ended));
    let warning = "warning: no section of mcspec.toml provides extension \"unheard_of\", nor does PostgreSQL ";
    assert!(ended.stderr.contains(warning), "{}", all(&ended));
    assert!(!all(&ended).contains("bad"), "{}", all(&ended));
}

#[test]
fn an_extension_comes_with_the_section_that_has_its_control_file() {
    let project = with_sections("[extension.good]\npath = \"good\"\n[extension.bad]\npath = \"bad\"\n");
    extension(&project, "good", SOURCE, "");
    extension(&project, "bad", "this is no C\n", "");
    let makefile = project.read("good/Makefile").replace("EXTENSION = good", "EXTENSION = good more");
    project.write("good/Makefile", &makefile.replace("DATA = ", "DATA = more--1.0.sql "));
    project.write("good/more.control", "default_version = '1.0'\n");
    project.write("good/more--1.0.sql", "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1';\n");
    spec(&project, "more", "extension more", "SELECT more()");
    spec(&project, "by_target", "target 'good'", "LOAD 'good'");
    let ended = project.run("--report tap more by_target");
    assert_eq!(ended.code, 0, "{}", all(&ended));
}

/// Builds two extensions. One needs a library of its own, which is installed elsewhere; that of the other is in a sub-folder. It
/// writes among the sources, too.
const BUILD: &str = r#"set -e
rm README
touch made_here
lib="$DESTDIR$("$PG_CONFIG" --pkglibdir)"
scripts="$DESTDIR$("$PG_CONFIG" --sharedir)/extension"
private="$DESTDIR/opt/some where/lib/x86_64-linux-gnu"
mkdir -p "$lib/decoders" "$scripts" "$private"
cc -shared -fPIC $CFLAGS -o "$private/libprivate.so.1" -Wl,-soname,libprivate.so.1 private.c
ln -s libprivate.so.1 "$private/libprivate.so"
for name in one decoders/two; do
  cc -shared -fPIC $CFLAGS -I"$("$PG_CONFIG" --includedir-server)" -o "$lib/$name.so" code.c -L"$private" -lprivate
done
for name in one two; do echo "default_version = '1'" > "$scripts/$name.control"; done
echo "CREATE FUNCTION one() RETURNS int LANGUAGE C AS '\$libdir/one', 'code';" > "$scripts/one--1.sql"
echo "CREATE FUNCTION two() RETURNS int LANGUAGE C AS '\$libdir/decoders/two', 'code';" > "$scripts/two--1.sql"
"#;

const CODE: &str = "#include \"postgres.h\"\n#include \"fmgr.h\"\n#include \"utils/memutils.h\"\nPG_MODULE_MAGIC;\nint own(void);\n\
                    PG_FUNCTION_INFO_V1(code);\nDatum code(PG_FUNCTION_ARGS)\n{\n\tMemoryContextAlloc(TopMemoryContext, 200);\n\
                    \tPG_RETURN_INT32(own());\n}\n";

#[test]
fn what_a_command_has_installed_is_found() {
    let section = "[extension.one]\npath = \"my sources\"\nbuild = \"command\"\ncommand = \"sh ./build.sh\"\nprovides = \"two\"\n";
    let project = with_sections(section);
    for (name, text) in
        [("build.sh", BUILD), ("code.c", CODE), ("private.c", "int own(void) { return 1; }\n"), ("README", "")]
    {
        project.write(&format!("my sources/{name}"), text);
    }
    spec(&project, "one", "extension one", "SELECT one()");
    spec(&project, "two", "extension two", "SELECT two()");
    let before = project.files();
    // What was built by another run is found as well.
    for _ in 0..2 {
        let ended = project.run("--report tap");
        assert_eq!(ended.code, 1, "{}", all(&ended));
        assert_eq!(ended.stdout.matches("  allocated at  code  ").count(), 2, "{}", all(&ended));
        assert_eq!(ended.stdout.matches("code.c:9").count(), 2, "{}", all(&ended));
    }
    assert_eq!(project.files(), before);
}
