//! The server's caches of catalog rows: how many entries each has, and what they take.
//!
//! The server keeps its list of them to itself (`CacheHdr` in catcache.c), but they are linked: each new one is put in front
//! of the list, in the order of their numbers (`InitCatalogCache` in syscache.c). The result of a partial search names its
//! cache, also where nothing was found, so a partial search in the last one leads to all. That this is so is checked.

use pgrx::pg_sys::{self, CatCTup, CatCache, Datum, dlist_head, dlist_node};

/// The last cache of all versions; it has two keys.
#[allow(clippy::unnecessary_cast, reason = "it is unsigned before 19")]
const LAST: i32 = pg_sys::SysCacheIdentifier::USERMAPPINGUSERSERVER as i32;

/// One cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Its number (syscache.h).
    pub(crate) id: i32,
    /// The catalog.
    pub(crate) relation: pg_sys::Oid,
    /// The index that its keys are those of.
    pub(crate) index: pg_sys::Oid,
    /// Rows.
    pub(crate) tuples: u32,
    /// Keys that are known to have no row.
    pub(crate) negative: u32,
    /// What entries, results of partial searches and separately kept keys take (bytes, with chunk headers).
    pub(crate) bytes: u64,
}

/// The caches are not as they are known to this build of the engine.
#[derive(Debug)]
pub(crate) struct Unknown(pub(crate) &'static str);

/// Looks at all caches of this backend, in the order of their numbers. May raise an ERROR, as any look at a catalog may.
pub(crate) fn usage() -> Result<Vec<Usage>, Unknown> {
    let nobody = Datum::from(pg_sys::InvalidOid);
    // SAFETY: a search by the first of two keys; the list is held until it is released.
    let last = unsafe {
        let list = pg_sys::SearchSysCacheList(LAST, 1, nobody, Datum::null(), Datum::null());
        let last = (*list).my_cache;
        pg_sys::ReleaseCatCacheList(list);
        last
    };
    let mut found = Vec::new();
    let mut cache = last;
    while !cache.is_null() {
        // SAFETY: caches are never freed; nothing is looked up while they are gone through.
        unsafe {
            let expected = LAST - found.len() as i32;
            if (*cache).id != expected || expected < 0 {
                return Err(Unknown("the caches are not linked in the order of their numbers"));
            }
            found.push(of_cache(&*cache)?);
            cache = container::<CatCache, _>((*cache).cc_next.next, std::mem::offset_of!(CatCache, cc_next));
        }
    }
    if found.len() as i32 != LAST + 1 {
        return Err(Unknown("the list of caches is not complete"));
    }
    found.reverse();
    Ok(found)
}

/// # Safety
/// The cache is one of the server's, and does not change meanwhile.
unsafe fn of_cache(cache: &CatCache) -> Result<Usage, Unknown> {
    let mut usage =
        Usage { id: cache.id, relation: cache.cc_reloid, index: cache.cc_indexoid, tuples: 0, negative: 0, bytes: 0 };
    // SAFETY: by the caller's promise; the buckets are an array of that many.
    unsafe {
        for bucket in 0..cache.cc_nbuckets as usize {
            for node in nodes(cache.cc_bucket.add(bucket)) {
                let entry = container::<CatCTup, _>(node, std::mem::offset_of!(CatCTup, cache_elem));
                if (*entry).ct_magic != CT_MAGIC || (*entry).my_cache.cast_const() != std::ptr::from_ref(cache) {
                    return Err(Unknown("what is in a cache is no entry of it"));
                }
                usage.bytes += space(entry);
                if (*entry).negative {
                    usage.negative += 1;
                    usage.bytes += space_of_keys(cache, &(&(*entry).keys)[..cache.cc_nkeys as usize]);
                } else {
                    usage.tuples += 1;
                }
            }
        }
        for list in lists(cache) {
            for node in nodes(list) {
                let list = container::<pg_sys::CatCList, _>(node, std::mem::offset_of!(pg_sys::CatCList, cache_elem));
                usage.bytes += space(list);
                usage.bytes += space_of_keys(cache, &(&(*list).keys)[..(*list).nkeys as usize]);
            }
        }
    }
    if usage.tuples + usage.negative != cache.cc_ntup as u32 {
        return Err(Unknown("a cache has another number of entries than it says"));
    }
    Ok(usage)
}

/// Marks an entry (catcache.h).
const CT_MAGIC: i32 = 0x5726_1502;

/// The struct that a link at this offset is in; null for no link.
fn container<T, N>(link: *mut N, offset: usize) -> *mut T {
    if link.is_null() { std::ptr::null_mut() } else { link.wrapping_byte_sub(offset).cast() }
}

/// The nodes of a doubly linked list. A head of zeros is an empty list (ilist.h).
///
/// # Safety
/// `head` is valid, and the list does not change while it is gone through.
unsafe fn nodes(head: *mut dlist_head) -> impl Iterator<Item = *mut dlist_node> {
    // SAFETY: by the caller's promise.
    let next = move |node: *mut dlist_node| unsafe { Some((*node).next).filter(|next| !next.is_null()) };
    let end = head.cast::<dlist_node>();
    std::iter::successors(next(end), move |&node| next(node)).take_while(move |&node| node != end)
}

/// The lists of results of partial searches.
#[cfg(any(feature = "pg15", feature = "pg16"))]
fn lists(cache: &CatCache) -> impl Iterator<Item = *mut dlist_head> {
    std::iter::once((&raw const cache.cc_lists).cast_mut())
}

/// The lists of results of partial searches, in hash buckets.
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
fn lists(cache: &CatCache) -> impl Iterator<Item = *mut dlist_head> {
    let buckets = if cache.cc_lbucket.is_null() { 0 } else { cache.cc_nlbuckets as usize };
    (0..buckets).map(|bucket| cache.cc_lbucket.wrapping_add(bucket))
}

/// # Safety
/// The chunk was allocated by palloc.
unsafe fn space<T>(chunk: *mut T) -> u64 {
    // SAFETY: by the caller's promise.
    unsafe { pg_sys::GetMemoryChunkSpace(chunk.cast()) as u64 }
}

/// What keys take that are kept by reference, each in a chunk of its own (`CatCacheCopyKeys` in catcache.c).
///
/// # Safety
/// The keys are the first of the cache's, and are not part of a row.
unsafe fn space_of_keys(cache: &CatCache, keys: &[Datum]) -> u64 {
    let mut bytes = 0;
    for (key, number) in keys.iter().zip(cache.cc_keyno) {
        // SAFETY: a cache that has entries has its descriptor, and keys are ordinary columns.
        unsafe {
            #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
            let attribute = pg_sys::TupleDescAttr(cache.cc_tupdesc, number - 1);
            #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
            let attribute = (*cache.cc_tupdesc).attrs.as_ptr().add(number as usize - 1);
            if !(*attribute).attbyval {
                bytes += space(key.cast_mut_ptr::<u8>());
            }
        }
    }
    bytes
}
