//! What cargo-pgrx packages, where the script cannot be made without it.

use super::super::super::error::ServerError;
use super::super::place::Places;
use super::{Job, absolute, plain};
use crate::hint;

/// Has cargo-pgrx package the crate, if it is there in the crate's version of pgrx. Otherwise the error stands, with a way to get it.
pub(super) fn install(job: &Job, error: ServerError) -> Result<(), ServerError> {
    let version = &job.metadata.pgrx_version;
    if version.is_empty() || matches!(error, ServerError::Interrupted) {
        return Err(error);
    }
    let mut asked = plain(&job.package.directory, job.site);
    asked.args(["pgrx", "--version"]);
    let is_there = asked.output().is_ok_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).trim().ends_with(&format!(" {version}"))
    });
    if !is_there {
        let reason = match error {
            ServerError::Source { reason, .. } => reason,
            other => other.to_string(),
        };
        return Err(ServerError::Source {
            extension: job.source.name.clone(),
            reason: format!("its install script could not be made: {reason}"),
            hint: Some(hint::cargo_pgrx(version)),
        });
    }
    let packaged = job.site.run.subdirectory(&format!("packaged-{}", job.source.name))?;
    let mut cargo = plain(&job.package.directory, job.site);
    job.environment(&mut cargo, &job.wanted.profile);
    cargo
        .args(["pgrx", "package", "--package", &job.package.name, "--profile", &job.wanted.profile])
        .args(["--no-default-features", "--features", &job.features(), "--pg-config"])
        .arg(absolute(&job.site.original.pg_config))
        .arg("--out-dir")
        .arg(&packaged);
    job.run(cargo, "cargo pgrx")?;
    Places::of(job.site).install(&packaged).map(|_| ())
}
