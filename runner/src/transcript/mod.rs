//! Transcript mode: the files of isolationtester with their expected outputs, without checking memory.

mod expected;
mod table;
mod text;
mod worker;

pub use expected::{Compared, compare, unified};
pub use worker::{Transcribed, run};
