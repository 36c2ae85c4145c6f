//! Who has chosen the context of an allocation.
//!
//! What the server allocates for a caller goes where the caller wants it: into the context that was current when it called, into
//! one that it has named, or beside something that it has handed over. Where the server puts something into a context of its
//! own that outlives the call - an entry of a lock table, of the relation cache, of a hash table of sequences or of open files -
//! it does so on its own account, and keeps it as long as it sees fit. No list of the server's caches is needed to tell that,
//! only one of the functions that are told where to allocate.

use std::ffi::CStr;
use std::ops::Range;

use pgrx::pg_sys::{self, MemoryContext};

use super::calls::Called;
use crate::elf::Module;
use crate::elf::symbols::address_of;

/// Functions that are told the context, that allocate where something is that they are given, or that keep something for their
/// caller until that asks them to forget it.
const TOLD: &[&CStr] = &[
    // They are given a context (mcxt.c, aset.c and others).
    c"MemoryContextAlloc",
    c"MemoryContextAllocZero",
    c"MemoryContextAllocZeroAligned",
    c"MemoryContextAllocAligned",
    c"MemoryContextAllocExtended",
    c"MemoryContextAllocHuge",
    c"MemoryContextStrdup",
    c"fmgr_info_cxt",
    c"fmgr_info_copy",
    c"initArrayResult",
    c"initArrayResultWithSize",
    c"initArrayResultArr",
    c"initArrayResultAny",
    c"accumArrayResult",
    c"accumArrayResultArr",
    c"accumArrayResultAny",
    c"makeArrayResult",
    c"makeArrayResultArr",
    c"makeArrayResultAny",
    c"makeMdArrayResult",
    c"expand_array",
    c"construct_empty_expanded_array",
    c"make_expanded_record_from_typeid",
    c"make_expanded_record_from_tupdesc",
    c"make_expanded_record_from_exprecord",
    c"make_expanded_record_from_datum",
    c"BuildTupleHashTable",
    c"BuildTupleHashTableExt",
    c"ExecMakeFunctionResultSet",
    c"ExecMakeTableFunctionResult",
    c"CreatePartitionDirectory",
    c"PartitionDirectoryLookup",
    c"CreateWaitEventSet",
    c"GetOverrideSearchPath",
    c"GetSearchPathMatcher",
    c"InitDomainConstraintRef",
    c"UpdateDomainConstraintRef",
    c"domain_check",
    c"domain_check_safe",
    c"json_populate_type",
    c"index_form_tuple_context",
    c"inv_open",
    c"PrepareSortSupportFromOrderingOp",
    c"PrepareSortSupportFromIndexRel",
    c"PrepareSortSupportFromGistIndexRel",
    // They call a function that keeps what it knows in fn_mcxt (fmgr.c).
    c"FunctionCall0Coll",
    c"FunctionCall1Coll",
    c"FunctionCall2Coll",
    c"FunctionCall3Coll",
    c"FunctionCall4Coll",
    c"FunctionCall5Coll",
    c"FunctionCall6Coll",
    c"FunctionCall7Coll",
    c"FunctionCall8Coll",
    c"FunctionCall9Coll",
    c"InputFunctionCall",
    c"InputFunctionCallSafe",
    c"OutputFunctionCall",
    c"ReceiveFunctionCall",
    c"SendFunctionCall",
    // The context that was current before SPI_connect (spi.c).
    c"SPI_palloc",
    c"SPI_repalloc",
    c"SPI_copytuple",
    c"SPI_returntuple",
    c"SPI_modifytuple",
    c"SPI_datumTransfer",
    // They enlarge what they are given, or what they have made for their caller.
    c"repalloc",
    c"repalloc0",
    c"repalloc_extended",
    c"repalloc_huge",
    c"enlargeStringInfo",
    c"appendStringInfo",
    c"appendStringInfoVA",
    c"appendStringInfoString",
    c"appendStringInfoChar",
    c"appendStringInfoSpaces",
    c"appendStringInfoStringQuoted",
    c"appendBinaryStringInfo",
    c"appendBinaryStringInfoNT",
    c"escape_json",
    c"escape_json_text",
    c"escape_json_with_len",
    c"JsonbToCString",
    c"JsonbToCStringIndent",
    c"pq_sendbytes",
    c"pq_sendcountedtext",
    c"pq_sendtext",
    c"pq_sendstring",
    c"pq_send_ascii_string",
    c"pq_sendfloat4",
    c"pq_sendfloat8",
    c"lappend",
    c"lappend_int",
    c"lappend_oid",
    c"lappend_xid",
    c"lcons",
    c"lcons_int",
    c"lcons_oid",
    c"list_insert_nth",
    c"list_insert_nth_int",
    c"list_insert_nth_oid",
    c"list_concat",
    c"list_concat_unique",
    c"list_concat_unique_int",
    c"list_concat_unique_oid",
    c"list_concat_unique_ptr",
    c"list_append_unique",
    c"list_append_unique_int",
    c"list_append_unique_oid",
    c"list_append_unique_ptr",
    c"bms_add_member",
    c"bms_add_members",
    c"bms_add_range",
    c"bms_join",
    c"bms_replace_members",
    c"hash_create",
    c"hash_search",
    c"hash_search_with_hash_value",
    c"hash_update_hash_key",
    c"LookupTupleHashEntry",
    c"intset_create",
    c"intset_add_member",
    c"TidStoreCreateLocal",
    c"TidStoreSetBlockOffsets",
    c"tbm_create",
    c"tbm_add_tuples",
    c"tbm_add_page",
    c"tbm_union",
    c"tbm_intersect",
    c"tbm_begin_iterate",
    c"tbm_begin_private_iterate",
    c"tuplestore_begin_heap",
    c"binaryheap_add",
    c"binaryheap_add_unordered",
    c"tuplesort_begin_common",
    c"tuplesort_begin_cluster",
    c"tuplesort_begin_datum",
    c"tuplesort_begin_heap",
    c"tuplesort_begin_index_brin",
    c"tuplesort_begin_index_btree",
    c"tuplesort_begin_index_gin",
    c"tuplesort_begin_index_gist",
    c"tuplesort_begin_index_hash",
    // They make something that is their caller's.
    c"CreateExecutorState",
    c"CreateExprContext",
    c"CreateWorkExprContext",
    c"CreateStandaloneExprContext",
    c"CreateCachedPlan",
    c"CreateCachedPlanForQuery",
    c"CompleteCachedPlan",
    c"CopyCachedPlan",
    c"CreateParallelContext",
    c"InitializeParallelDSM",
    c"ResourceOwnerCreate",
    c"guc_malloc",
    c"guc_realloc",
    c"guc_strdup",
    // They keep what their caller wants them to call, or to know.
    c"RegisterXactCallback",
    c"RegisterSubXactCallback",
    c"RegisterResourceReleaseCallback",
    c"RegisterExprContextCallback",
    c"LWLockRegisterTranche",
    c"register_label_provider",
    c"on_dsm_detach",
    c"MarkGUCPrefixReserved",
    c"add_reloption_kind",
    c"add_bool_reloption",
    c"add_int_reloption",
    c"add_real_reloption",
    c"add_enum_reloption",
    c"add_string_reloption",
];

/// Gives the function of ours that targets call in place of the server's of a name.
pub(super) type StandIn = fn(&CStr) -> Option<usize>;

/// What tells who has chosen a context.
pub(super) struct Chosen {
    /// The addresses of those functions, and of ours in place of them, sorted.
    told: Vec<usize>,
    /// Where the names of the server's own contexts are.
    server: Range<usize>,
}

impl Chosen {
    /// Looks the functions up among the server's exported symbols. Not every version has all of them.
    pub(super) fn of(server: &Module, stand_in: StandIn) -> Self {
        let addresses = |name: &&CStr| [address_of(name), stand_in(name).unwrap_or_default()];
        let mut told: Vec<usize> = TOLD.iter().flat_map(addresses).filter(|&address| address != 0).collect();
        told.sort_unstable();
        Chosen { told, server: server.all.clone() }
    }

    /// Whether the server has chosen a context of its own for what a call has it allocate.
    ///
    /// # Safety
    /// `context` is live.
    #[inline(always)]
    pub(super) unsafe fn by_server(&self, call: Called, context: MemoryContext) -> bool {
        // SAFETY: by the caller's promise.
        call.context != context.addr() && unsafe { self.is_of_server(call, context) }
    }

    /// # Safety
    /// `context` is live.
    #[inline(never)]
    unsafe fn is_of_server(&self, call: Called, context: MemoryContext) -> bool {
        // SAFETY: by the caller's promise.
        let name = unsafe { (*context).name };
        self.server.contains(&name.addr())
            && self.told.binary_search(&call.function).is_err()
            // SAFETY: by the caller's promise.
            && unsafe { outlives(call, context) }
    }
}

/// Whether a context is of the backend or of the transaction, and not one that was made below the one that was current at a call.
///
/// # Safety
/// `context` is live.
unsafe fn outlives(call: Called, mut context: MemoryContext) -> bool {
    // SAFETY: a live context, and what is above it lives longer; the server's variables.
    unsafe {
        let (top, message) = (pg_sys::TopMemoryContext, pg_sys::MessageContext);
        // Everything is below these.
        let is_root = call.context == top.addr() || call.context == pg_sys::CacheMemoryContext.addr();
        while !(*context).parent.is_null() {
            let is_message_or_portal =
                context == message || ((*context).parent == top && is_top_portal(CStr::from_ptr((*context).name)));
            if is_message_or_portal || (!is_root && (*context).parent.addr() == call.context) {
                return false;
            }
            context = (*context).parent;
        }
        true
    }
}

/// `TopPortalContext` of portalmem.c is static.
fn is_top_portal(name: &CStr) -> bool {
    name == c"TopPortalContext"
}
