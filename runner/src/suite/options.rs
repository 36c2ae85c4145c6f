//! The options of pg_regress and pg_isolation_regress (pg_regress.c, regression_main).

use super::words::recipe;

/// What options say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `--inputdir`: where `sql/` or `specs/` and `expected/` are.
    pub input: Option<String>,
    /// `--outputdir`: where `results/` and `regression.diffs` will be.
    pub output: Option<String>,
    /// `--schedule`
    pub schedules: Vec<String>,
    /// `--dbname`; the first is the one that the files run in.
    pub databases: Vec<String>,
    /// `--load-extension`
    pub extensions: Vec<String>,
    /// `--create-role`
    pub roles: Vec<String>,
    /// `--temp-config`: files with lines of postgresql.conf.
    pub configurations: Vec<String>,
    /// `--temp-instance`: it would start a server of its own.
    pub starts_server: bool,
    /// `--launcher`: what psql is run by.
    pub launcher: Option<String>,
    /// `--use-existing`: the database is there, and so are its extensions and roles.
    pub use_existing: bool,
    /// Names of tests among the options.
    pub tests: Vec<String>,
    /// All of it but what says where the server is, or how to start one.
    kept: Vec<String>,
    /// Whether anything was left out of that.
    differs: bool,
}

/// Options of pg_regress, and whether they have a value.
const KNOWN: [(&str, bool); 24] = [
    ("bindir", true),
    ("config-auth", true),
    ("create-role", true),
    ("dbname", true),
    ("debug", false),
    ("dlpath", true),
    ("encoding", true),
    ("expecteddir", true),
    ("help", false),
    ("host", true),
    ("inputdir", true),
    ("launcher", true),
    ("load-extension", true),
    ("max-concurrent-tests", true),
    ("max-connections", true),
    ("no-locale", false),
    ("outputdir", true),
    ("port", true),
    ("schedule", true),
    ("temp-config", true),
    ("temp-instance", true),
    ("use-existing", false),
    ("user", true),
    ("version", false),
];

impl Options {
    /// Reads the words that a recipe gives to the program. Words that are no options are tests; unknown options are kept.
    pub fn read(words: &[String]) -> Self {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some((name, value)) = word.strip_prefix("--").and_then(option) else {
                options.kept.push(word.clone());
                if !word.starts_with('-') {
                    options.tests.push(word.clone());
                }
                continue;
            };
            let takes_value = KNOWN.iter().any(|&(known, takes)| known == name && takes);
            // getopt_long takes the next word where there is no equals sign.
            let (value, whole) = match value {
                Some(value) => (value.to_owned(), vec![word.clone()]),
                None if takes_value => {
                    let value = words.next().cloned().unwrap_or_default();
                    (value.clone(), vec![word.clone(), value])
                }
                None => (String::new(), vec![word.clone()]),
            };
            options.add(name, value, whole);
        }
        options
    }

    fn add(&mut self, name: &str, value: String, whole: Vec<String>) {
        let list = |value: &str| -> Vec<String> {
            value.split([',', ' ']).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        match name {
            "inputdir" => self.input = Some(value),
            "outputdir" => self.output = Some(value),
            "schedule" => self.schedules.push(value),
            // The last one counts (pgxs.mk adds one of its own to what the Makefile has).
            "dbname" => self.databases = list(&value),
            "load-extension" => self.extensions.push(value),
            "create-role" => self.roles.extend(list(&value)),
            "launcher" => self.launcher = Some(value),
            "use-existing" => self.use_existing = true,
            "temp-config" => self.configurations.push(value),
            "temp-instance" => self.starts_server = true,
            _ => {}
        }
        if matches!(name, "temp-config" | "temp-instance" | "host" | "port") {
            self.differs = true;
        } else {
            self.kept.extend(whole);
        }
    }

    /// The options for a server that is there.
    pub fn words(&self) -> &[String] {
        &self.kept
    }

    /// The same as a recipe of make has them; none where all already are for such a server.
    pub fn for_our_server(&self) -> Option<String> {
        self.differs.then(|| recipe(self.kept.iter().map(String::as_str)))
    }
}

/// The name of a long option, which may be abbreviated as far as it is still unique, and its value.
fn option(word: &str) -> Option<(&'static str, Option<&str>)> {
    let (written, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let exact = KNOWN.iter().find(|(known, _)| *known == written);
    let mut starting = KNOWN.iter().filter(|(known, _)| !written.is_empty() && known.starts_with(written));
    let (name, _) = exact.or_else(|| starting.next().filter(|_| starting.next().is_none()))?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn read(text: &str) -> Options {
        Options::read(&words(text))
    }

    #[test]
    fn options_are_read() {
        let options = read(
            "--temp-config=./x.conf --inputdir test --load-extension=vector --load-extension b --dbname=a \
             --schedule=serial --dbname=contrib_regression --create-role=r1,r2 --use-existing one two",
        );
        assert_eq!(options.configurations, ["./x.conf"]);
        assert_eq!(options.input.as_deref(), Some("test"));
        assert_eq!(options.extensions, ["vector", "b"]);
        assert_eq!(options.databases, ["contrib_regression"]);
        assert_eq!(options.schedules, ["serial"]);
        assert_eq!(options.roles, ["r1", "r2"]);
        assert_eq!(options.tests, ["one", "two"]);
        assert!(options.use_existing && !options.starts_server);
    }

    #[test]
    fn what_is_about_another_server_is_left_out() {
        let table = [
            ("--inputdir=test --dbname=x", None),
            ("--temp-config=./c.conf --temp-instance=./tmp_check --dbname=x", Some("--dbname=x")),
            ("--temp-inst tmp_check --port=5555 --host localhost --no-locale t", Some("--no-locale t")),
            ("--temp-config=x '--launcher=sh -c'", Some("'--launcher=sh -c'")),
            // Not of this version, and kept as it is.
            ("--temp-config=x --new-option=1", Some("--new-option=1")),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).for_our_server().as_deref(), expected, "{text}");
        }
        assert!(read("--temp-inst tmp_check").starts_server);
    }

    #[test]
    fn an_abbreviation_has_to_be_unique() {
        assert_eq!(option("sched=x"), Some(("schedule", Some("x"))));
        assert_eq!(option("temp"), None);
        assert_eq!(option(""), None);
    }
}
