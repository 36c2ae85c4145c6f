//! Functions that allocate, and functions that give back what was allocated: whose calls are looked at.
//!
//! The lists are of what PostgreSQL, the C library and libraries that extensions like to use have. A function that allocates only sometimes
//! is in them as well: its calls are places where memory may come from.

use Takes::{Chunk, Context, Other};

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It allocates, or may.
    Allocates,
    /// It gives something back.
    GivesBack {
        /// What it returns, where it has done so, to callers that look at it.
        value: u32,
        /// What it takes.
        takes: Takes,
    },
}

/// What a function takes that gives something back, as far as it tells how long that would be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A chunk of palloc's.
    Chunk,
    /// A memory context.
    Context,
    /// Something else.
    Other,
}

impl Takes {
    /// The word of a plan.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Takes::Chunk => "chunk",
            Takes::Context => "context",
            Takes::Other => "other",
        }
    }
}

/// What the function of that name does; none where it is of no interest.
pub fn does(name: &str) -> Option<Does> {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.rsplit("::").next().unwrap_or(name);
    if let Some(&(_, value, takes)) = GIVE_BACK.iter().find(|(other, ..)| *other == name) {
        return Some(Does::GivesBack { value, takes });
    }
    let allocates = ALLOCATE.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family));
    (allocates && !NOT_OF_FAMILY.contains(&name)).then_some(Does::Allocates)
}

/// Whether a function within a library is what its language allocates or gives back by, so that calls of it are of interest though they do
/// not leave the library; by its readable name.
pub(super) fn is_allocator_of_language(name: &str) -> bool {
    const NAMES: [&str; 4] = ["__rust_alloc", "__rust_alloc_zeroed", "__rust_realloc", "__rust_dealloc"];
    NAMES.contains(&name.rsplit("::").next().unwrap_or(name))
}

/// Functions that allocate.
const ALLOCATE: &[&str] = &[
    // The C library.
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "strdup",
    "strndup",
    "asprintf",
    "vasprintf",
    "__asprintf_chk",
    "__vasprintf_chk",
    "getline",
    "getdelim",
    "getaddrinfo",
    "regcomp",
    "open_memstream",
    "mmap",
    "mmap64",
    "mremap",
    "sbrk",
    // C++.
    "_Znwm",
    "_Znam",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    // Contexts, and what they hand out.
    "AllocSetContextCreateInternal",
    "GenerationContextCreate",
    "SlabContextCreate",
    "BumpContextCreate",
    "newNodeMacroHolder",
    "copyObjectImpl",
    "stringToNode",
    "nodeToString",
    "pstrdup",
    "pnstrdup",
    "psprintf",
    "pvsnprintf",
    "pchomp",
    "guc_malloc",
    "guc_realloc",
    "guc_strdup",
    // Nodes.
    "makeString",
    "makeInteger",
    "makeFloat",
    "makeBoolean",
    "makeBitString",
    "makeConst",
    "makeNullConst",
    "makeBoolConst",
    "makeVar",
    "makeVarFromTargetEntry",
    "makeWholeRowVar",
    "makeDefElem",
    "makeDefElemExtended",
    "makeRangeVar",
    "makeRangeVarFromNameList",
    "makeTypeName",
    "makeTypeNameFromNameList",
    "makeTypeNameFromOid",
    "makeFuncCall",
    "makeFuncExpr",
    "makeTargetEntry",
    "makeAlias",
    "makeA_Expr",
    "makeSimpleA_Expr",
    "makeBoolExpr",
    "makeRelabelType",
    "makeColumnDef",
    "makeFromExpr",
    "makeGroupingSet",
    "makeObjectName",
    "makeArrayTypeName",
    // Strings.
    "makeStringInfo",
    "makeStringInfoExt",
    "initStringInfo",
    "initStringInfoExt",
    "enlargeStringInfo",
    "pq_begintypsend",
    "pq_endtypsend",
    "pq_getmsgtext",
    "pq_getmsgbytes",
    "cstring_to_text",
    "cstring_to_text_with_len",
    "text_to_cstring",
    "escape_json",
    "format_type_be",
    "format_type_be_qualified",
    "format_type_extended",
    "format_type_with_typemod",
    "format_procedure",
    "format_operator",
    "quote_identifier",
    "quote_qualified_identifier",
    "quote_literal_cstr",
    "str_tolower",
    "str_toupper",
    "str_initcap",
    "downcase_identifier",
    "downcase_truncate_identifier",
    "timestamptz_to_str",
    "pg_any_to_server",
    "pg_server_to_any",
    "pg_client_to_server",
    "pg_server_to_client",
    "pg_do_encoding_conversion",
    "SplitIdentifierString",
    "SplitDirectoriesString",
    "SplitGUCList",
    "stringToQualifiedNameList",
    "textToQualifiedNameList",
    "NameListToString",
    "NameListToQuotedString",
    // Values.
    "datumCopy",
    "datumTransfer",
    "detoast_attr",
    "detoast_external_attr",
    "detoast_attr_slice",
    "construct_array",
    "construct_array_builtin",
    "construct_md_array",
    "construct_empty_array",
    "construct_empty_expanded_array",
    "deconstruct_array",
    "deconstruct_array_builtin",
    "initArrayResult",
    "initArrayResultWithSize",
    "accumArrayResult",
    "makeArrayResult",
    "makeMdArrayResult",
    "array_create_iterator",
    "array_iterate",
    "expand_array",
    "make_expanded_record_from_typeid",
    "make_expanded_record_from_tupdesc",
    "int64_to_numeric",
    "numeric_add_opt_error",
    "range_serialize",
    "make_range",
    "make_multirange",
    "pushJsonbValue",
    "JsonbValueToJsonb",
    "JsonbIteratorInit",
    "JsonbIteratorNext",
    "findJsonbValueFromContainer",
    "getIthJsonbValueFromContainer",
    "makeJsonLexContext",
    "makeJsonLexContextCstringLen",
    "OutputFunctionCall",
    "OidOutputFunctionCall",
    "InputFunctionCall",
    "OidInputFunctionCall",
    "SendFunctionCall",
    "OidSendFunctionCall",
    "ReceiveFunctionCall",
    "OidReceiveFunctionCall",
    // Tuples.
    "CreateTemplateTupleDesc",
    "CreateTupleDesc",
    "CreateTupleDescCopy",
    "CreateTupleDescTruncatedCopy",
    "CreateTupleDescCopyConstr",
    "BuildDescForRelation",
    "BuildDescFromLists",
    "BlessTupleDesc",
    "TupleDescGetAttInMetadata",
    "BuildTupleFromCStrings",
    "heap_form_tuple",
    "heap_modify_tuple",
    "heap_modify_tuple_by_cols",
    "heap_copytuple",
    "heap_form_minimal_tuple",
    "heap_copy_minimal_tuple",
    "heap_copy_tuple_as_datum",
    "HeapTupleHeaderGetDatum",
    "MakeTupleTableSlot",
    "MakeSingleTupleTableSlot",
    "table_slot_create",
    "get_call_result_type",
    "get_expr_result_type",
    "lookup_rowtype_tupdesc_copy",
    "init_MultiFuncCall",
    "InitMaterializedSRF",
    "SetSingleFuncCall",
    // Collections.
    "new_list",
    "hash_create",
    "hash_search",
    "hash_search_with_hash_value",
    "tuplestore_begin_heap",
    "tuplesort_begin_heap",
    "tuplesort_begin_datum",
    "pairingheap_allocate",
    "pairingheap_add",
    "binaryheap_allocate",
    "bloom_create",
    "intset_create",
    "intset_add_member",
    "rbt_create",
    "rbt_insert",
    "bms_copy",
    "bms_make_singleton",
    "bms_union",
    "bms_intersect",
    "bms_difference",
    "bms_add_member",
    "bms_add_members",
    "bms_add_range",
    "bms_join",
    "bms_int_members",
    "tbm_create",
    // Caches and callbacks that stay.
    "SearchSysCacheCopy",
    "SearchSysCacheLockedCopy1",
    "SearchSysCacheCopyAttName",
    "SearchSysCacheCopyAttNum",
    "lookup_type_cache",
    "GetUserNameFromId",
    "GetForeignTable",
    "GetForeignServer",
    "GetForeignDataWrapper",
    "GetForeignServerByName",
    "GetUserMapping",
    "RegisterXactCallback",
    "RegisterSubXactCallback",
    "RegisterResourceReleaseCallback",
    "RegisterExprContextCallback",
    "RegisterSnapshot",
    "CopySnapshot",
    "PushActiveSnapshot",
    "PushCopiedSnapshot",
    "CreateExecutorState",
    "CreateExprContext",
    "CreateStandaloneExprContext",
    "ExecInitExpr",
    "ExecPrepareExpr",
    "ExecInitNode",
    "ExecutorStart",
    "standard_ExecutorStart",
    "CreateQueryDesc",
    "CreateCachedPlan",
    "CreateDestReceiver",
    "CreatePortal",
    "CopyErrorData",
    "ResourceOwnerCreate",
    "AllocateFile",
    "AllocateDir",
    "OpenTransientFile",
    "PathNameOpenFile",
    "OpenTemporaryFile",
    "table_beginscan",
    "table_beginscan_catalog",
    "systable_beginscan",
    "systable_beginscan_ordered",
    "index_beginscan",
    "RelationGetIndexScan",
    "RelationGetIndexList",
    "RelationGetIndexExpressions",
    "RelationGetIndexPredicate",
    "RelationGetIndexAttrBitmap",
    "fmgr_info",
    "fmgr_info_cxt",
    "fmgr_info_copy",
    // Shared memory.
    "dsm_create",
    "dsm_attach",
    "dsa_create",
    "dsa_create_ext",
    "dsa_create_in_place",
    "dsa_create_in_place_ext",
    "dsa_attach",
    "dsa_attach_in_place",
    "dsa_allocate_extended",
    "dshash_create",
    "dshash_attach",
    "dshash_find_or_insert",
    "shm_toc_create",
    "shm_toc_attach",
    "shm_toc_allocate",
    "shm_mq_attach",
    "ShmemAlloc",
    "ShmemAllocNoError",
    "ShmemInitStruct",
    "ShmemInitHash",
    "ShmemRequestStructWithOpts",
    "ShmemRequestHashWithOpts",
    "GetNamedDSMSegment",
    "GetNamedDSA",
    "GetNamedDSHash",
    // Libraries that extensions like to use.
    "PQconnectdb",
    "PQconnectdbParams",
    "PQexec",
    "PQexecParams",
    "PQgetResult",
    "PQescapeLiteral",
    "PQescapeIdentifier",
    "xmlReadMemory",
    "xmlParseMemory",
    "xmlNewDoc",
    "xmlXPathEvalExpression",
    "curl_easy_init",
    "curl_slist_append",
];

/// What the names of families begin with.
const FAMILIES: &[&str] = &[
    "palloc",
    "repalloc",
    "MemoryContextAlloc",
    "MemoryContextStrdup",
    "appendStringInfo",
    "appendBinaryStringInfo",
    "pg_detoast_datum",
    "lappend",
    "lcons",
    "list_make",
    "list_copy",
    "list_concat",
    "list_append_unique",
    "list_union",
    "list_intersection",
    "list_difference",
    "list_insert_nth",
    "list_truncate_copy",
    "SPI_connect",
    "SPI_execute",
    "SPI_exec",
    "SPI_prepare",
    "SPI_palloc",
    "SPI_repalloc",
    "SPI_copytuple",
    "SPI_returntuple",
    "SPI_modifytuple",
    "SPI_datumTransfer",
    "SPI_getvalue",
    "SPI_gettype",
    "SPI_getrelname",
    "SPI_getnspname",
    "SPI_fname",
    "SPI_cursor_open",
    "SPI_cursor_parse_open",
    "SPI_cursor_fetch",
    "SPI_keepplan",
    "SPI_saveplan",
    "get_rel_name",
    "get_func_name",
    "get_attname",
    "get_namespace_name",
    "get_collation_name",
    "get_constraint_name",
    "get_database_name",
    "get_tablespace_name",
    "get_opname",
    "get_extension_name",
    "get_language_name",
    "pull_var",
    "flatCopy",
];

/// Names that only begin so.
const NOT_OF_FAMILY: &[&str] = &["get_rel_namespace", "get_func_namespace"];

/// Functions that give back, with what they return to callers that look at it. Nothing is in the list without which a process
/// cannot go on: locks, snapshots, the state of errors.
const GIVE_BACK: &[(&str, u32, Takes)] = &[
    ("pfree", 0, Chunk),
    ("free", 0, Other),
    ("munmap", 0, Other),
    ("freeaddrinfo", 0, Other),
    ("regfree", 0, Other),
    ("__rust_dealloc", 0, Other),
    ("_ZdlPv", 0, Other),
    ("_ZdlPvm", 0, Other),
    ("_ZdaPv", 0, Other),
    ("_ZdaPvm", 0, Other),
    ("MemoryContextDelete", 0, Context),
    ("MemoryContextDeleteChildren", 0, Context),
    ("MemoryContextReset", 0, Context),
    ("MemoryContextResetOnly", 0, Context),
    ("MemoryContextResetChildren", 0, Context),
    ("SPI_freetuptable", 0, Chunk),
    ("SPI_freetuple", 0, Chunk),
    ("SPI_freeplan", 0, Other),
    ("SPI_pfree", 0, Chunk),
    // SPI_OK_FINISH
    ("SPI_finish", 2, Other),
    ("SPI_cursor_close", 0, Other),
    ("ReleaseSysCache", 0, Other),
    ("ReleaseCatCache", 0, Other),
    ("ReleaseCatCacheList", 0, Other),
    ("ReleaseCachedPlan", 0, Other),
    ("ReleaseBuffer", 0, Other),
    ("dsm_detach", 0, Other),
    ("dsm_unpin_segment", 0, Other),
    ("dsa_free", 0, Other),
    ("dsa_detach", 0, Other),
    ("dsa_unpin", 0, Other),
    ("dshash_detach", 0, Other),
    ("dshash_destroy", 0, Other),
    ("relation_close", 0, Other),
    ("table_close", 0, Other),
    ("index_close", 0, Other),
    ("sequence_close", 0, Other),
    ("RelationClose", 0, Other),
    ("systable_endscan", 0, Other),
    ("systable_endscan_ordered", 0, Other),
    ("index_endscan", 0, Other),
    ("heap_endscan", 0, Other),
    ("heap_freetuple", 0, Chunk),
    ("heap_free_minimal_tuple", 0, Chunk),
    ("list_free", 0, Chunk),
    ("list_free_deep", 0, Chunk),
    ("bms_free", 0, Chunk),
    ("FreeTupleDesc", 0, Chunk),
    ("DecrTupleDescRefCount", 0, Other),
    ("hash_destroy", 0, Chunk),
    ("tuplestore_end", 0, Chunk),
    ("tuplesort_end", 0, Chunk),
    ("ExecDropSingleTupleTableSlot", 0, Other),
    ("FreeExecutorState", 0, Chunk),
    ("FreeExprContext", 0, Other),
    ("FreeErrorData", 0, Chunk),
    ("FreeQueryDesc", 0, Chunk),
    ("UnregisterSnapshot", 0, Other),
    ("FreeFile", 0, Other),
    ("FreeDir", 0, Other),
    ("CloseTransientFile", 0, Other),
    ("FileClose", 0, Other),
    ("destroyStringInfo", 0, Chunk),
    ("pg_regfree", 0, Other),
    ("freeJsonLexContext", 0, Other),
    ("PQclear", 0, Other),
    ("PQfinish", 0, Other),
    ("PQfreemem", 0, Other),
    ("xmlFreeDoc", 0, Other),
    ("xmlXPathFreeObject", 0, Other),
    ("xmlXPathFreeContext", 0, Other),
    ("curl_easy_cleanup", 0, Other),
    ("curl_slist_free_all", 0, Other),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_known_by_name_and_family() {
        let table = [
            ("palloc0", Some(Does::Allocates)),
            ("palloc_extended@@PG", Some(Does::Allocates)),
            ("malloc@GLIBC_2.2.5", Some(Does::Allocates)),
            ("makeString", Some(Does::Allocates)),
            ("get_rel_namespace", None),
            ("pfree", Some(Does::GivesBack { value: 0, takes: Chunk })),
            ("SPI_finish", Some(Does::GivesBack { value: 2, takes: Other })),
            ("SPI_execute_plan", Some(Does::Allocates)),
            ("LWLockRelease", None),
            ("PopActiveSnapshot", None),
            ("UnlockReleaseBuffer", None),
            ("__rustc::__rust_dealloc", Some(Does::GivesBack { value: 0, takes: Other })),
            ("memcpy", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(does(name), expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_listed_twice() {
        for (number, name) in ALLOCATE.iter().enumerate() {
            assert!(!ALLOCATE[..number].contains(name), "{name}");
            assert!(!FAMILIES.iter().any(|family| name.starts_with(family)), "{name} is of a family");
            assert!(!GIVE_BACK.iter().any(|(other, ..)| other == name), "{name}");
        }
        for (number, (name, ..)) in GIVE_BACK.iter().enumerate() {
            assert!(!GIVE_BACK[..number].iter().any(|(other, ..)| other == name), "{name}");
        }
    }

    #[test]
    fn the_allocator_of_a_language_is_known_within_the_library() {
        for name in ["__rust_alloc", "__rustc::__rust_alloc_zeroed", "__rustc::__rust_dealloc"] {
            assert!(is_allocator_of_language(name), "{name}");
        }
        for name in ["mine::alloc", "__rust_alloc_error_handler"] {
            assert!(!is_allocator_of_language(name), "{name}");
        }
    }
}
