//! Roles, and what they may do. Only in transactions, since the catalogs are looked at; each function may raise an ERROR.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::process::role_of;

/// The name that stands for everybody, and that no role can have (`check_rolespec_name` in acl.c).
const EVERYBODY: &CStr = c"public";

/// Whether the user who has logged in is a superuser, which the server remembers (superuser.c).
///
/// Neither SET ROLE and SET SESSION AUTHORIZATION, which he can undo, nor a function with SECURITY DEFINER change who that is.
pub(crate) fn login_is_superuser() -> bool {
    // SAFETY: looked up in the catalogs, or in what the server keeps of them.
    unsafe { pg_sys::superuser_arg(pg_sys::GetAuthenticatedUserId()) }
}

/// Whether the user who has logged in has the privileges of the role of this name.
pub(crate) fn login_has(role: &CStr) -> bool {
    if role.is_empty() || role == EVERYBODY {
        return !role.is_empty();
    }
    // SAFETY: both are looked up in the catalogs, or in what the server keeps of them.
    unsafe {
        let role = pg_sys::get_role_oid(role.as_ptr(), true);
        role != pg_sys::InvalidOid && pg_sys::has_privs_of_role(pg_sys::GetAuthenticatedUserId(), role)
    }
}

/// Whether the current user may see what a process does, as `HAS_PGSTAT_PERMISSIONS` of pgstatfuncs.c has it.
pub(crate) fn may_read(pid: i32) -> bool {
    user_has(c"pg_read_all_stats") || role_of(pid).is_some_and(has_privileges_of)
}

/// Whether the current user may interfere with a process, as `pg_signal_backend` of signalfuncs.c has it: with a superuser's, or
/// one of the server's own, only a superuser may.
pub(crate) fn may_interfere(pid: i32) -> bool {
    // SAFETY: looks at the catalogs, or at what the server keeps of them.
    if unsafe { pg_sys::superuser() } {
        return true;
    }
    role_of(pid).is_some_and(|role| {
        // SAFETY: as above.
        let is_superusers = unsafe { pg_sys::superuser_arg(role) };
        !is_superusers && (has_privileges_of(role) || user_has(c"pg_signal_backend"))
    })
}

fn user_has(role: &CStr) -> bool {
    // SAFETY: looks at the catalogs, or at what the server keeps of them; the name is a C string.
    let role = unsafe { pg_sys::get_role_oid(role.as_ptr(), true) };
    role != pg_sys::InvalidOid && has_privileges_of(role)
}

fn has_privileges_of(role: pg_sys::Oid) -> bool {
    // SAFETY: looks at the catalogs, or at what the server keeps of them.
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), role) }
}
