//! Configuration parameters, as far as pgrx leaves them to its users.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use pgrx::{GucContext, GucEnum, GucFlags, GucRegistry, GucSetting, pg_sys};

use super::server;

/// The value of the enum that is looked at for every statement. pgrx looks at the thread each time that it is asked for one.
static HOT: AtomicI32 = AtomicI32::new(0);
/// Whether the session or its client has given that value.
static HOT_IS_OF_SESSION: AtomicBool = AtomicBool::new(false);
/// Whether a parameter defined here has changed since the last call of [`have_changed`].
static CHANGED: AtomicBool = AtomicBool::new(true);

/// Whether a parameter that was defined here has been assigned to since the last call.
#[inline]
pub(crate) fn have_changed() -> bool {
    CHANGED.load(Ordering::Relaxed) && CHANGED.swap(false, Ordering::Relaxed)
}

/// Whether the next call of [`have_changed`] will say so.
#[inline]
pub(crate) fn are_changed() -> bool {
    CHANGED.load(Ordering::Relaxed)
}

/// Has the next call of [`have_changed`] say so.
pub(crate) fn touch() {
    CHANGED.store(true, Ordering::Relaxed);
}

/// Accepts any value. Called before it is assigned.
unsafe extern "C-unwind" fn hot_checked(
    _value: *mut c_int,
    _extra: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    use pg_sys::GucSource::{PGC_S_CLIENT, PGC_S_SESSION};
    HOT_IS_OF_SESSION.store(matches!(source, PGC_S_CLIENT | PGC_S_SESSION), Ordering::Relaxed);
    true
}

unsafe extern "C-unwind" fn hot_assigned(value: c_int, _extra: *mut c_void) {
    HOT.store(value, Ordering::Relaxed);
    touch();
}

unsafe extern "C-unwind" fn number_assigned(_value: c_int, _extra: *mut c_void) {
    touch();
}

unsafe extern "C-unwind" fn string_assigned(_value: *const c_char, _extra: *mut c_void) {
    touch();
}

/// Defines the enum that is looked at for every statement, by way of [`hot`]. Everybody may set it.
pub(crate) fn define_hot_enum<T: GucEnum + Copy>(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<T>,
) {
    let flags = GucFlags::default();
    // SAFETY: the hooks cannot panic. The latter is called with the value at the start as well (`InitializeOneGUCOption` in
    // guc.c), and wherever a value is undone.
    unsafe {
        let assign = Some(hot_assigned as unsafe extern "C-unwind" fn(_, _));
        GucRegistry::define_enum_guc_with_hooks(
            name,
            short,
            long,
            setting,
            GucContext::Userset,
            flags,
            Some(hot_checked),
            assign,
            None,
        );
    }
}

/// The value of that enum, as a number.
#[inline(always)]
pub(crate) fn hot() -> i32 {
    HOT.load(Ordering::Relaxed)
}

/// Whether the session or its client has given that value.
pub(crate) fn hot_is_of_session() -> bool {
    HOT_IS_OF_SESSION.load(Ordering::Relaxed)
}

/// An assign hook of an enum, which cannot panic.
type EnumAssigned = unsafe extern "C-unwind" fn(c_int, *mut c_void);

/// Defines an enum for superusers, of which it is noticed when it changes.
pub(crate) fn define_enum<T: GucEnum + Copy>(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<T>,
) {
    define_told_enum(name, short, long, setting, number_assigned);
}

/// Defines an enum for superusers, with an assign hook of its own.
pub(crate) fn define_told_enum<T: GucEnum + Copy>(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<T>,
    assigned: EnumAssigned,
) {
    let flags = GucFlags::default();
    // SAFETY: the assign hook cannot panic.
    unsafe {
        let assign = Some(assigned);
        GucRegistry::define_enum_guc_with_hooks(
            name,
            short,
            long,
            setting,
            GucContext::Suset,
            flags,
            None,
            assign,
            None,
        );
    }
}

/// Defines a number for superusers, of which it is noticed when it changes.
pub(crate) fn define_number(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<i32>,
    range: RangeInclusive<i32>,
) {
    let flags = GucFlags::default();
    // SAFETY: the assign hook cannot panic.
    unsafe {
        let assign = Some(number_assigned as unsafe extern "C-unwind" fn(_, _));
        GucRegistry::define_int_guc_with_hooks(
            name,
            short,
            long,
            setting,
            *range.start(),
            *range.end(),
            GucContext::Suset,
            flags,
            None,
            assign,
            None,
        );
    }
}

/// Defines a string for superusers, of which it is noticed when it changes.
pub(crate) fn define_string(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
) {
    let flags = GucFlags::default();
    // SAFETY: the assign hook cannot panic.
    unsafe {
        let assign = Some(string_assigned as unsafe extern "C-unwind" fn(_, _));
        GucRegistry::define_string_guc_with_hooks(
            name,
            short,
            long,
            setting,
            GucContext::Suset,
            flags,
            None,
            assign,
            None,
        );
    }
}

/// A string parameter that is told its values.
pub(crate) trait Told {
    /// What to say of a text that is no value.
    const DETAIL: &CStr;
    /// What to do then.
    const HINT: &CStr;

    /// Whether it is one. Does not panic.
    fn is_value(text: &str) -> bool;

    /// It is the value from now on. Called with the value at the start as well, and wherever a value is undone. Does not panic.
    fn assigned(text: &str);
}

/// # Safety
/// A C string or null.
unsafe fn text_of<'a>(value: *const c_char) -> Option<&'a str> {
    // SAFETY: by the caller's promise.
    if value.is_null() { Some("") } else { unsafe { CStr::from_ptr(value) }.to_str().ok() }
}

unsafe extern "C-unwind" fn told_checked<T: Told>(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server's place for the value. Texts are copied, by a format with one argument, into variables that are there for it
    // (`GUC_check_errdetail` in guc.h).
    unsafe {
        if text_of(*value).is_some_and(T::is_value) {
            return true;
        }
        let text = |text: &CStr| {
            pg_sys::pre_format_elog_string(0, std::ptr::null());
            server::format_elog_string(c"%s".as_ptr(), text.as_ptr())
        };
        pg_sys::GUC_check_errdetail_string = text(T::DETAIL);
        pg_sys::GUC_check_errhint_string = text(T::HINT);
    }
    false
}

unsafe extern "C-unwind" fn told_assigned<T: Told>(value: *const c_char, _extra: *mut c_void) {
    // SAFETY: a value that was checked.
    T::assigned(unsafe { text_of(value) }.unwrap_or_default());
    touch();
}

/// Defines a string for superusers that is told its values.
pub(crate) fn define_told_string<T: Told>(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
) {
    let flags = GucFlags::default();
    // SAFETY: the hooks cannot panic.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            name,
            short,
            long,
            setting,
            GucContext::Suset,
            flags,
            Some(told_checked::<T>),
            Some(told_assigned::<T>),
            None,
        );
    }
}

/// Defines a number for superusers that only tests ask for, which counts something from when it is set and shows that.
#[cfg(feature = "test_links")]
pub(crate) fn define_counter(
    name: &'static CStr,
    setting: &'static GucSetting<i32>,
    assigned: unsafe extern "C-unwind" fn(c_int, *mut c_void),
    shown: unsafe extern "C-unwind" fn() -> *const c_char,
) {
    let (short, long) = (c"Sets which request for memory fails; 0 for none.", c"Shows how many there were since.");
    let (context, flags) = (GucContext::Suset, GucFlags::default());
    // SAFETY: neither hook panics, and what is shown stays where it is.
    unsafe {
        GucRegistry::define_int_guc_with_hooks(
            name,
            short,
            long,
            setting,
            0,
            i32::MAX,
            context,
            flags,
            None,
            Some(assigned),
            Some(shown),
        );
    }
}

/// Defines a switch for superusers that only tests ask for.
#[cfg(feature = "test_links")]
pub(crate) fn define_switch(
    name: &'static CStr,
    setting: &'static GucSetting<bool>,
    assigned: unsafe extern "C-unwind" fn(bool, *mut c_void),
) {
    let (short, long) = (c"Has all requests behind one that fails do so too.", c"");
    let (context, flags) = (GucContext::Suset, GucFlags::default());
    // SAFETY: the assign hook cannot panic.
    unsafe {
        GucRegistry::define_bool_guc_with_hooks(name, short, long, setting, context, flags, None, Some(assigned), None);
    }
}

/// Has parameters of this prefix that nobody has defined refused.
pub(crate) fn reserve_prefix(prefix: &'static CStr) {
    // SAFETY: a name that lives for ever; called once, while the library is loaded.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) };
}

/// The same as a superuser, whoever the session's role is.
pub(crate) fn impose(name: &'static CStr, value: &'static CStr) {
    // SAFETY: as above.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
        );
    }
}

/// Sets a parameter for the session, as `SET` would. Raises an ERROR where that does.
pub(crate) fn set(name: &'static CStr, value: &'static CStr) {
    // SAFETY: both strings live for ever; an ERROR is carried through this frame by pgrx.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
        );
    }
}
