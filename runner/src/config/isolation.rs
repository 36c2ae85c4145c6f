//! `[isolation]`: what every isolation spec is given.

use std::path::PathBuf;

use super::section::{Problems, Section};

/// `[isolation]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Isolation {
    /// Extensions that are created in its database.
    pub extensions: Vec<String>,
    /// Libraries that are preloaded before the engine.
    pub preload_first: Vec<String>,
    /// Libraries that are preloaded after it.
    pub preload: Vec<String>,
    /// Libraries that are charged.
    pub targets: Vec<String>,
    /// Files with lines for postgresql.conf.
    pub conf: Vec<PathBuf>,
}

impl Isolation {
    pub(super) fn apply(&mut self, mut section: Section, problems: &mut Problems) {
        for (key, field) in [
            ("extension", &mut self.extensions),
            ("preload_first", &mut self.preload_first),
            ("preload", &mut self.preload),
            ("target", &mut self.targets),
        ] {
            if let Some(names) = section.strings(key, problems) {
                *field = names;
            }
        }
        let root = section.root();
        if let Some(files) = section.strings("conf", problems) {
            self.conf = files.iter().map(|file| root.join(file)).collect();
        }
        section.finish(problems);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn keys() {
        let text = "[isolation]\nextension = \"x\"\npreload_first = \"a\"\npreload = [\"b\", \"c\"]\ntarget = \"x\"\n\
                    conf = \"logical.conf\"";
        let isolation = Config::parse(text, Path::new("p/mcspec.toml")).expect("valid").isolation;
        assert_eq!(isolation.extensions, ["x"]);
        assert_eq!(isolation.preload_first, ["a"]);
        assert_eq!(isolation.preload, ["b", "c"]);
        assert_eq!(isolation.targets, ["x"]);
        assert_eq!(isolation.conf, [Path::new("p/logical.conf")]);
    }
}
