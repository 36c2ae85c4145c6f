//! What servers differ in.

/// What is particular to one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// The libraries before the engine in `shared_preload_libraries`.
    pub preload_first: Vec<String>,
    /// Those behind it.
    pub preload: Vec<String>,
    /// Lines of `postgresql.conf`. They cannot change what the server is reached by.
    pub conf: Vec<String>,
    /// A name for messages and for the log file.
    pub name: String,
}

impl ServerOptions {
    /// Whether a server with those options can do what one with these does.
    pub fn are_those_of(&self, other: &Self) -> bool {
        *self == Self { name: self.name.clone(), ..other.clone() }
    }

    /// `shared_preload_libraries`
    pub(super) fn libraries<'a>(&'a self, engine: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let [before, behind] =
            [&self.preload_first, &self.preload].map(|libraries| libraries.iter().map(String::as_str));
        before.chain(engine).chain(behind)
    }
}
