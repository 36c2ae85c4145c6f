//! The engine's own sources, which come with mcspec, and how it is built from them for a server.

mod build;
mod error;
mod sources;

pub use build::Builder;
pub use error::EngineError;
