//! Which machines there is an engine for.

use super::error::ServerError;

/// Whether the engine can be had for the machine that this program is for.
///
/// # Errors
///
/// It cannot: it is written for what the frames of functions, the relocations of libraries and the calls of the system look like there.
pub fn supported_platform() -> Result<(), ServerError> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Ok(());
    }
    let libc = if cfg!(target_env = "musl") { " with musl" } else { "" };
    Err(ServerError::Platform { name: format!("{}{libc} on {}", std::env::consts::OS, std::env::consts::ARCH) })
}
