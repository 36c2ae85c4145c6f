//! Functions that stand in global offset tables for others of the same name.

use std::ffi::c_void;

/// A function of ours and the one that it stands for.
pub(super) struct Hooked {
    /// The name that slots are filled by.
    pub(super) name: &'static str,
    /// Ours.
    pub(super) function: *const c_void,
}

// SAFETY: the address of a function, which is the same for all threads.
unsafe impl Sync for Hooked {}

/// Defines functions of ours under the names of those that they stand for, and the list of them, `HOOKED`: the slots come from
/// that, and the documentation is compared with it.
///
/// `=> f` calls the server's own function and shows its result to `f`, with the registers of the caller; anything else is a body.
/// With `, after g(argument)` behind it, `g` is called first, which may raise an ERROR.
macro_rules! hooked {
    ($($(#[doc = $doc:literal])* fn $name:ident ($($argument:ident: $type:ty),*) $(-> $result:ty)? $(=> $shown:path $(, after $before:ident($told:ident))?;)? $($body:block)?)*) => {
        $(
            hooked! { @function $(#[doc = $doc])* $name ($($argument: $type),*) ($($result)?) $(=> $shown $(, after $before($told))?)? $($body)? }
        )*

        /// The functions of this family.
        pub(super) static HOOKED: &[$crate::wrap::hooked::Hooked] = &[
            $($crate::wrap::hooked::Hooked { name: stringify!($name), function: $name as *const std::ffi::c_void }),*
        ];

        /// Their names, for tests, which cannot have the functions.
        #[cfg(test)]
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
    (@function $(#[doc = $doc:literal])* $name:ident ($($argument:ident: $type:ty),*) ($result:ty) => $shown:path $(, after $before:ident($told:ident))?) => {
        $(#[doc = $doc])*
        #[allow(non_snake_case)]
        unsafe extern "C-unwind" fn $name($($argument: $type),*) -> $result {
            let from = $crate::stack::Registers::here();
            $($before(from, $told);)?
            // SAFETY: called as the server's function is.
            let result = unsafe { $crate::pg::server::$name($($argument),*) };
            $shown(from, result);
            result
        }
    };
    (@function $(#[doc = $doc:literal])* $name:ident ($($argument:ident: $type:ty),*) ($($result:ty)?) $body:block) => {
        $(#[doc = $doc])*
        #[allow(non_snake_case)]
        pub(super) unsafe extern "C-unwind" fn $name($($argument: $type),*) $(-> $result)? $body
    };
}
pub(super) use hooked;
