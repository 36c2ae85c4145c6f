//! The server's own complaints of references that nobody gave back, by the kind of resource.
//!
//! Until 16 the server has a sentence for each kind (`PrintRelCacheLeakWarning` and others in resowner.c); from 17 on there is
//! one for all of them, `resource was not closed: %s`, and the kind is in its argument (`ResourceOwnerReleaseAll` in resowner.c,
//! the `DebugPrint` functions of each kind). What is tracked outside of resource owners has sentences of its own.

/// What a segment of dynamic shared memory is called.
pub const SEGMENT: &str = "dynamic shared memory segment";

/// How the sentences that stand for a kind begin, and what else is in them: so that they are known with their arguments and
/// without.
const SENTENCES: &[(&str, &str, &str)] = &[
    ("relcache reference leak:", "", "relation"),
    ("leaking still-referenced relcache entry", "", "relation"),
    ("buffer refcount leak:", "", "buffer"),
    ("cache reference leak: cache ", "), tuple ", "catalog cache entry"),
    ("cache reference leak: cache ", "), list ", "catalog cache list"),
    ("plancache reference leak:", "", "plan"),
    ("TupleDesc reference leak:", "", "tuple descriptor"),
    ("Snapshot reference leak:", "", "snapshot"),
    ("temporary file leak:", "", "file"),
    ("dynamic shared memory leak:", "", SEGMENT),
    ("cryptohash context reference leak:", "", "cryptohash context"),
    ("HMAC context reference leak:", "", "HMAC context"),
    // AtEOXact_Snapshot in snapmgr.c
    ("snapshot ", " still active", "snapshot"),
    ("registered snapshots seem to remain", "", "snapshot"),
    // CleanupTempFiles in fd.c
    ("temporary file ", " not closed at end-of-transaction", "file"),
    ("", " temporary files and directories not closed at end-of-transaction", "file"),
    // AtEOXact_HashTables in dynahash.c
    ("leaked hash_seq_search scan", "", "hash scan"),
    // AtEOXact_SPI and AtEOSubXact_SPI in spi.c
    ("transaction left non-empty SPI stack", "", "SPI stack"),
    ("subtransaction left non-empty SPI stack", "", "SPI stack"),
    // AtEOXact_Parallel in parallel.c
    ("leaked parallel context", "", "parallel context"),
    // AtEOXact_Namespace in namespace.c, until 16
    ("leaked override search path", "", "override search path"),
    // pgaio_io_release_resowner in aio.c, from 18 on
    ("leaked AIO handle", "", "AIO handle"),
];

/// The sentence for all kinds, from 17 on.
const NOT_CLOSED: &str = "resource was not closed: ";

/// Beginnings of its argument.
const DESCRIPTIONS: &[(&str, &str)] = &[
    ("relation \"", "relation"),
    // DebugPrintBufferRefcount in bufmgr.c
    ("[", "buffer"),
    ("lost track of buffer IO", "buffer io"),
    ("plancache reference ", "plan"),
    ("TupleDesc ", "tuple descriptor"),
    ("snapshot reference ", "snapshot"),
    ("File ", "file"),
    ("dynamic shared memory segment ", SEGMENT),
    ("OpenSSL cryptohash context ", "cryptohash context"),
    ("OpenSSL HMAC context ", "HMAC context"),
];

/// The kind of resource that a WARNING of the server says was not given back, under the same name on every version; none
/// if it is about something else.
///
/// `format` is the message before translation and arguments (`message_id` of `ErrorData`), `message` the message itself. A
/// message of a parallel worker comes without the former (`ThrowErrorData` in elog.c); most are never translated. A kind that an extension has defined (`ResourceOwnerDesc`, from 17 on) has the name that the extension gave it.
pub fn resource<'a>(format: &str, message: &'a str) -> Option<&'a str> {
    let format = if format.is_empty() { message } else { format };
    if !format.starts_with(NOT_CLOSED) {
        let is_meant = |&&(start, part, _): &&(&str, &str, &str)| format.starts_with(start) && format.contains(part);
        return SENTENCES.iter().find(is_meant).map(|&(_, _, kind)| kind);
    }
    let description = message.strip_prefix(NOT_CLOSED)?;
    if let Some(&(_, kind)) = DESCRIPTIONS.iter().find(|(start, _)| description.starts_with(start)) {
        return Some(kind);
    }
    // ResOwnerPrintCatCache and ResOwnerPrintCatCacheList in catcache.c
    if description.starts_with("cache ") {
        return Some(if description.contains("), list ") { "catalog cache list" } else { "catalog cache entry" });
    }
    // Where a kind has no DebugPrint: its name and a pointer.
    let name = description.rsplit_once(" 0x").map_or(description, |(name, _)| name);
    Some(name.trim()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats and messages as 15 and as 18 have them.
    #[test]
    fn kinds_have_one_name_on_all_versions() {
        let closed = "resource was not closed: %s";
        let table = [
            ("relcache reference leak: relation \"%s\" not closed", "", Some("relation")),
            (closed, "resource was not closed: relation \"pg_class\"", Some("relation")),
            ("buffer refcount leak: [%03d] (rel=%s, blockNum=%u, flags=0x%x, refcount=%u %d)", "", Some("buffer")),
            (
                closed,
                "resource was not closed: [012] (rel=base/5/1259, blockNum=0, flags=0x0, refcount=1 1)",
                Some("buffer"),
            ),
            ("cache reference leak: cache %s (%d), tuple %u/%u has count %d", "", Some("catalog cache entry")),
            (
                closed,
                "resource was not closed: cache pg_class (55), tuple 3/5 has count 1",
                Some("catalog cache entry"),
            ),
            ("cache reference leak: cache %s (%d), list %p has count %d", "", Some("catalog cache list")),
            (
                closed,
                "resource was not closed: cache pg_proc (43), list 0x55d0c8 has count 1",
                Some("catalog cache list"),
            ),
            ("plancache reference leak: plan %p not closed", "", Some("plan")),
            (closed, "resource was not closed: plancache reference 0x55d0c8", Some("plan")),
            ("TupleDesc reference leak: TupleDesc %p (%u,%d) still referenced", "", Some("tuple descriptor")),
            (closed, "resource was not closed: TupleDesc 0x55d0c8 (2249,1)", Some("tuple descriptor")),
            ("Snapshot reference leak: Snapshot %p still referenced", "", Some("snapshot")),
            (closed, "resource was not closed: snapshot reference 0x55d0c8", Some("snapshot")),
            ("temporary file leak: File %d still referenced", "", Some("file")),
            (closed, "resource was not closed: File 7", Some("file")),
            ("dynamic shared memory leak: segment %u still referenced", "", Some("dynamic shared memory segment")),
            (
                closed,
                "resource was not closed: dynamic shared memory segment 42",
                Some("dynamic shared memory segment"),
            ),
            ("leaked hash_seq_search scan for hash table %p", "", Some("hash scan")),
            ("transaction left non-empty SPI stack", "", Some("SPI stack")),
            ("subtransaction left non-empty SPI stack", "", Some("SPI stack")),
            (closed, "resource was not closed: WaitEventSet 0x55d0c8", Some("WaitEventSet")),
            (closed, "resource was not closed: my handle 0x55d0c8", Some("my handle")),
            (closed, "resource was not closed: my handle 7 of \"x\"", Some("my handle 7 of \"x\"")),
            (closed, "resource was not closed: ", None),
            ("", "cache reference leak: cache pg_proc (43), list 0x55d0c8 has count 1", Some("catalog cache list")),
            ("", "snapshot 0x55d0c8 still active", Some("snapshot")),
            ("", "temporary file base/pgsql_tmp/x not closed at end-of-transaction", Some("file")),
            ("", "3 temporary files and directories not closed at end-of-transaction", Some("file")),
            ("", "resource was not closed: relation \"t\"", Some("relation")),
            ("", "there is no transaction in progress", None),
            ("you don't own a lock of type %s", "", None),
            ("there is no transaction in progress", "there is no transaction in progress", None),
        ];
        for (format, message, expected) in table {
            assert_eq!(resource(format, message), expected, "{format} {message}");
        }
    }
}
