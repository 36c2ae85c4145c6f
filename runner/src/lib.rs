//! `mcspec` runs memory specs against PostgreSQL extensions.
//!
//! The parts form one line: a spec's text becomes a tree ([`language`]), the trees of a schedule become cases ([`plan`]),
//! a case runs on a private server ([`server`], [`exec`]), what was measured ([`results`]) is compared with what was
//! expected and recorded ([`golden`], [`judge`]), case after case ([`run`]), and reported ([`report`]).

mod atomic;
mod bounded;
pub mod checklist;
pub mod cli;
pub mod compare;
pub mod config;
pub mod coverage;
pub mod engine;
pub mod exec;
pub mod explain;
pub mod golden;
mod hint;
pub mod hunt;
pub mod init;
pub mod judge;
pub mod language;
pub mod mutate;
pub mod observe;
mod panicked;
pub mod places;
pub mod plan;
pub mod regress;
pub mod report;
pub mod results;
pub mod run;
pub mod schema;
pub mod server;
mod status;
pub mod suite;
pub mod symbols;
pub mod transcript;
