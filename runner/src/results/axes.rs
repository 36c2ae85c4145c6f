//! The server that a result is from, in what a golden may depend on.

use std::fmt;

/// A server, as results and the names of goldens tell it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes {
    /// Major version of the server: 18.
    pub major: u32,
    /// Whether the server was built with assertions.
    pub assertions: bool,
    /// `x86_64`, `aarch64`: [`std::env::consts::ARCH`].
    pub arch: String,
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = if self.assertions { "assert" } else { "noassert" };
        write!(f, "pg {}, {build}, {}", self.major, self.arch)
    }
}
