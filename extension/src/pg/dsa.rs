//! Areas of dynamic shared memory (dsa.c), hash tables in them (dshash.c), and named segments (dsm_registry.c): the server's own
//! functions, without a boundary, and what of a hash table is told by its struct.

use std::ffi::{c_char, c_int, c_void};

use super::server::{self, Handle, Segment};

/// An area, as this process has it mapped.
pub(crate) type Area = *mut c_void;
/// Where something is in an area, for every process the same.
pub(crate) type Pointer = u64;
/// A hash table in an area, as this process has it attached.
pub(crate) type Table = *mut c_void;

/// `dshash_parameters` as far as all versions have the same members.
#[repr(C)]
pub(crate) struct TableParameters {
    key: usize,
    /// Bytes of an entry.
    pub(crate) entry: usize,
    compare: usize,
    hash: Option<Hash>,
}

/// `dshash_hash_function`
type Hash = unsafe extern "C-unwind" fn(key: *const c_void, size: usize, argument: *mut c_void) -> u32;

/// How a table has its keys hashed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hashing {
    hash: Option<Hash>,
    key: usize,
    argument: usize,
}

impl Hashing {
    /// As the parameters of a table say.
    ///
    /// # Safety
    /// The parameters are as dshash.c wants them.
    pub(crate) unsafe fn new(parameters: *const TableParameters, argument: *mut c_void) -> Self {
        // SAFETY: by the caller's promise.
        let (hash, key) = unsafe { ((*parameters).hash, (*parameters).key) };
        Hashing { hash, key, argument: argument.expose_provenance() }
    }

    /// The hash of a key.
    ///
    /// # Safety
    /// It is a key of that table.
    pub(crate) unsafe fn of(self, key: *const c_void) -> Option<u32> {
        let argument = std::ptr::with_exposed_provenance_mut(self.argument);
        // SAFETY: called as dshash.c does (`hash_key`).
        self.hash.map(|hash| unsafe { hash(key, self.key, argument) })
    }
}

/// The hash of an entry's key, which stands before the entry (`dshash_table_item` in dshash.c, whose size is a multiple of MAXALIGN).
///
/// # Safety
/// It is an entry that is locked.
pub(crate) unsafe fn hash_of_entry(entry: *const c_void) -> u32 {
    // SAFETY: by the caller's promise.
    unsafe { entry.byte_sub(8).cast::<u32>().read() }
}

/// The table of a sequential scan, and the hash of its current entry (`dshash_seq_status` in dshash.h).
///
/// # Safety
/// It is a scan that has given an entry.
pub(crate) unsafe fn current_of_scan(scan: *const c_void) -> (Table, u32) {
    #[repr(C)]
    struct Scan {
        table: Table,
        bucket: c_int,
        buckets: c_int,
        item: *const c_void,
    }
    // SAFETY: by the caller's promise. The hash comes behind the pointer to the next item.
    unsafe {
        let scan = &*scan.cast::<Scan>();
        (scan.table, scan.item.byte_add(8).cast::<u32>().read())
    }
}

unsafe extern "C-unwind" {
    // dsa.c. From 17 on what is called dsa_create is a macro.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    pub(crate) fn dsa_create(tranche: c_int) -> Area;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    pub(crate) fn dsa_create_in_place(place: *mut c_void, size: usize, tranche: c_int, segment: Segment) -> Area;
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    pub(crate) fn dsa_create_ext(tranche: c_int, first: usize, most: usize) -> Area;
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    pub(crate) fn dsa_create_in_place_ext(
        place: *mut c_void,
        size: usize,
        tranche: c_int,
        segment: Segment,
        first: usize,
        most: usize,
    ) -> Area;
    pub(crate) fn dsa_attach(handle: Handle) -> Area;
    pub(crate) fn dsa_attach_in_place(place: *mut c_void, segment: Segment) -> Area;
    pub(crate) fn dsa_detach(area: Area);
    pub(crate) fn dsa_pin(area: Area);
    pub(crate) fn dsa_unpin(area: Area);
    pub(crate) fn dsa_get_handle(area: Area) -> Handle;
    pub(crate) fn dsa_allocate_extended(area: Area, size: usize, flags: c_int) -> Pointer;
    pub(crate) fn dsa_free(area: Area, pointer: Pointer);
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    pub(crate) fn dsa_get_total_size(area: Area) -> usize;

    // dshash.c
    pub(crate) fn dshash_create(area: Area, parameters: *const TableParameters, argument: *mut c_void) -> Table;
    pub(crate) fn dshash_attach(
        area: Area,
        parameters: *const TableParameters,
        handle: Pointer,
        argument: *mut c_void,
    ) -> Table;
    pub(crate) fn dshash_detach(table: Table);
    pub(crate) fn dshash_destroy(table: Table);
    pub(crate) fn dshash_get_hash_table_handle(table: Table) -> Pointer;
    // From 19 on what is called dshash_find_or_insert is a macro.
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    pub(crate) fn dshash_find_or_insert(table: Table, key: *const c_void, found: *mut bool) -> *mut c_void;
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    pub(crate) fn dshash_find_or_insert_extended(
        table: Table,
        key: *const c_void,
        found: *mut bool,
        flags: c_int,
    ) -> *mut c_void;
    pub(crate) fn dshash_delete_key(table: Table, key: *const c_void) -> bool;
    pub(crate) fn dshash_delete_entry(table: Table, entry: *mut c_void);
    pub(crate) fn dshash_delete_current(scan: *mut c_void);

    // dsm_registry.c. Up to 18 there is no argument, and what is passed for it is not looked at.
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    pub(crate) fn GetNamedDSMSegment(
        name: *const c_char,
        size: usize,
        initialize: *const c_void,
        found: *mut bool,
        argument: usize,
    ) -> *mut c_void;
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    pub(crate) fn GetNamedDSA(name: *const c_char, found: *mut bool) -> Area;
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    pub(crate) fn GetNamedDSHash(name: *const c_char, parameters: *const TableParameters, found: *mut bool) -> Table;
}

/// Functions that some versions do not have, and that nobody calls there.
macro_rules! not_there {
    ($($(#[$version:meta])* fn $name:ident ($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        $(
            $(#[$version])*
            /// # Safety
            /// None is needed.
            #[allow(non_snake_case)]
            pub(crate) unsafe extern "C-unwind" fn $name($($argument: $type),*) -> $result {
                std::ptr::null_mut()
            }
        )+
    };
}

not_there! {
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    fn dsa_create(_tranche: c_int) -> Area;
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    fn dsa_create_in_place(_place: *mut c_void, _size: usize, _tranche: c_int, _segment: Segment) -> Area;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    fn dsa_create_ext(_tranche: c_int, _first: usize, _most: usize) -> Area;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    fn dsa_create_in_place_ext(
        _place: *mut c_void, _size: usize, _tranche: c_int, _segment: Segment, _first: usize, _most: usize
    ) -> Area;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    fn GetNamedDSMSegment(
        _name: *const c_char, _size: usize, _initialize: *const c_void, _found: *mut bool, _argument: usize
    ) -> *mut c_void;
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    fn dshash_find_or_insert(_table: Table, _key: *const c_void, _found: *mut bool) -> *mut c_void;
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    fn GetNamedDSA(_name: *const c_char, _found: *mut bool) -> Area;
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    fn GetNamedDSHash(_name: *const c_char, _parameters: *const TableParameters, _found: *mut bool) -> Table;
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    fn dshash_find_or_insert_extended(
        _table: Table, _key: *const c_void, _found: *mut bool, _flags: c_int
    ) -> *mut c_void;
}

/// Bytes of all segments of an area that this process has mapped; none where the server does not tell.
pub(crate) fn total_size(area: Area) -> Option<u64> {
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: a mapped area; takes its lock for a moment.
    return Some(unsafe { dsa_get_total_size(area) } as u64);
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    {
        let _ = area;
        None
    }
}

/// The area of a hash table (`dshash_table` in dshash.c).
///
/// # Safety
/// The table is attached.
pub(crate) unsafe fn area_of(table: Table) -> Area {
    // SAFETY: by the caller's promise. It is the first member.
    unsafe { table.cast::<Area>().read() }
}

/// The handle of an area that has one of its own, and the bytes of its first segment.
///
/// # Safety
/// The area was created or attached just now, and not in memory that somebody else has made.
pub(crate) unsafe fn first_segment(area: Area) -> (Handle, usize) {
    // SAFETY: by the caller's promise the handle is that of a segment that this process has mapped.
    unsafe {
        let handle = dsa_get_handle(area);
        let segment = server::dsm_find_mapping(handle);
        (handle, if segment.is_null() { 0 } else { server::dsm_segment_map_length(segment) })
    }
}
