//! The server's own functions, without the boundary that pgrx puts around them.
//!
//! The boundary turns an ERROR into a panic and back, and so into another ERROR that lacks CONTEXT, the position in the
//! statement and the names of constraints; and it saves a jump buffer, which the allocator's wrappers have no time for.

use std::ffi::{c_char, c_int, c_long, c_void};

use pgrx::pg_sys;

/// A segment of dynamic shared memory, mapped.
pub(crate) type Segment = *mut c_void;
/// The cluster's number for one.
pub(crate) type Handle = u32;

unsafe extern "C-unwind" {
    // planner.c, execMain.c, utility.c
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    pub(crate) fn standard_planner(
        parse: *mut pg_sys::Query,
        query_string: *const c_char,
        cursor_options: c_int,
        bound_params: pg_sys::ParamListInfo,
    ) -> *mut pg_sys::PlannedStmt;
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    pub(crate) fn standard_planner(
        parse: *mut pg_sys::Query,
        query_string: *const c_char,
        cursor_options: c_int,
        bound_params: pg_sys::ParamListInfo,
        explain: *mut pg_sys::ExplainState,
    ) -> *mut pg_sys::PlannedStmt;
    pub(crate) fn standard_ExecutorStart(query: *mut pg_sys::QueryDesc, flags: c_int);
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
    pub(crate) fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
        execute_once: bool,
    );
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
    pub(crate) fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
    );
    pub(crate) fn standard_ExecutorFinish(query: *mut pg_sys::QueryDesc);
    pub(crate) fn standard_ExecutorEnd(query: *mut pg_sys::QueryDesc);
    pub(crate) fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        query_string: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        params: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        destination: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
    // pquery.c, outfuncs.c
    pub(crate) fn CreateQueryDesc(
        statement: *mut pg_sys::PlannedStmt,
        text: *const c_char,
        snapshot: pg_sys::Snapshot,
        crosscheck: pg_sys::Snapshot,
        destination: *mut pg_sys::DestReceiver,
        params: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        instruments: c_int,
    ) -> *mut pg_sys::QueryDesc;
    pub(crate) fn FreeQueryDesc(query: *mut pg_sys::QueryDesc);
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    pub(crate) fn nodeToString(node: *const c_void) -> *mut c_char;
    /// Without locations they are all -1 from 17 on.
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    #[link_name = "nodeToStringWithLocations"]
    pub(crate) fn nodeToString(node: *const c_void) -> *mut c_char;

    pub(crate) fn GetCommandLogLevel(parse_tree: *mut pg_sys::Node) -> pg_sys::LogStmtLevel::Type;

    // elog.c
    pub(crate) fn errstart(level: c_int, domain: *const c_char) -> bool;
    /// errstart. That name stands for [`super::copied`] when this library is linked.
    pub(crate) fn __real_errstart(level: c_int, domain: *const c_char) -> bool;
    pub(crate) fn errcode(code: c_int) -> c_int;
    pub(crate) fn errmsg(format: *const c_char, ...) -> c_int;
    pub(crate) fn errmsg_internal(format: *const c_char, ...) -> c_int;
    pub(crate) fn errdetail_internal(format: *const c_char, ...) -> c_int;
    pub(crate) fn errhint(format: *const c_char, ...) -> c_int;
    pub(crate) fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
    pub(crate) fn pg_re_throw() -> !;
    pub(crate) fn format_elog_string(format: *const c_char, ...) -> *mut c_char;
    /// CopyErrorData. That name stands for [`super::copied`] when this library is linked.
    pub(crate) fn __real_CopyErrorData() -> *mut pg_sys::ErrorData;
    pub(crate) fn FlushErrorState();
    pub(crate) fn FreeErrorData(error: *mut pg_sys::ErrorData);
    pub(crate) fn ReThrowError(error: *mut pg_sys::ErrorData) -> !;

    // timeout.c
    pub(crate) fn enable_timeout_after(timeout: c_int, milliseconds: c_int);
    pub(crate) fn disable_timeout(timeout: c_int, keeps_indicator: bool);

    // postgres.c
    pub(crate) fn ProcessInterrupts();
    /// The handler of SIGINT. From 19 on it is told who has sent the signal (pqsignal.c), and looks at nothing.
    pub(crate) fn StatementCancelHandler(signal: c_int, from: *const c_void);
    /// The handler of SIGTERM. Only its address is taken.
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    pub(crate) fn die(signal: c_int);
    pub(crate) fn pg_parse_query(text: *const c_char) -> *mut pg_sys::List;
    pub(crate) fn pg_analyze_and_rewrite_fixedparams(
        statement: *mut pg_sys::RawStmt,
        text: *const c_char,
        types: *const pg_sys::Oid,
        count: c_int,
        environment: *mut pg_sys::QueryEnvironment,
    ) -> *mut pg_sys::List;
    pub(crate) fn pg_plan_queries(
        queries: *mut pg_sys::List,
        text: *const c_char,
        cursor_options: c_int,
        params: pg_sys::ParamListInfo,
    ) -> *mut pg_sys::List;
    pub(crate) fn analyze_requires_snapshot(statement: *mut pg_sys::RawStmt) -> bool;
    pub(crate) fn CreateCommandTag(statement: *mut pg_sys::Node) -> pg_sys::CommandTag::Type;
    pub(crate) fn pgstat_report_activity(state: pg_sys::BackendState::Type, text: *const c_char);

    // snapmgr.c
    pub(crate) fn GetTransactionSnapshot() -> pg_sys::Snapshot;
    pub(crate) fn PushActiveSnapshot(snapshot: pg_sys::Snapshot);
    pub(crate) fn PopActiveSnapshot();

    // portalmem.c, pquery.c, dest.c, printtup.c
    pub(crate) fn CreatePortal(name: *const c_char, may_exist: bool, silently: bool) -> pg_sys::Portal;
    pub(crate) fn PortalDefineQuery(
        portal: pg_sys::Portal,
        statement: *const c_char,
        text: *const c_char,
        tag: pg_sys::CommandTag::Type,
        plans: *mut pg_sys::List,
        cached: *mut pg_sys::CachedPlan,
    );
    pub(crate) fn PortalStart(
        portal: pg_sys::Portal,
        params: pg_sys::ParamListInfo,
        flags: c_int,
        snapshot: pg_sys::Snapshot,
    );
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
    pub(crate) fn PortalRun(
        portal: pg_sys::Portal,
        count: c_long,
        is_top_level: bool,
        run_once: bool,
        destination: *mut pg_sys::DestReceiver,
        other: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    ) -> bool;
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
    pub(crate) fn PortalRun(
        portal: pg_sys::Portal,
        count: c_long,
        is_top_level: bool,
        destination: *mut pg_sys::DestReceiver,
        other: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    ) -> bool;
    pub(crate) fn PortalDrop(portal: pg_sys::Portal, is_top_commit: bool);
    pub(crate) fn ExecutorRewind(query: *mut pg_sys::QueryDesc);
    pub(crate) fn CreateDestReceiver(destination: pg_sys::CommandDest::Type) -> *mut pg_sys::DestReceiver;
    pub(crate) fn SetRemoteDestReceiverParams(receiver: *mut pg_sys::DestReceiver, portal: pg_sys::Portal);

    // pqmq.c
    pub(crate) fn pq_redirect_to_shm_mq(segment: *mut pg_sys::dsm_segment, queue: *mut pg_sys::shm_mq_handle);
    pub(crate) fn pq_parse_errornotice(message: *mut pg_sys::StringInfoData, error: *mut pg_sys::ErrorData);

    // version.c: `version()`, which looks at no argument.
    pub(crate) fn pgsql_version(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum;

    // lwlock.c
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    pub(crate) fn ForEachLWLockHeldByMe(
        shown: unsafe extern "C-unwind" fn(*mut pg_sys::LWLock, pg_sys::LWLockMode::Type, *mut c_void),
        argument: *mut c_void,
    );
    pub(crate) fn GetLWLockIdentifier(class: u32, event: u16) -> *const c_char;
    pub(crate) fn LWLockAcquire(lock: *mut pg_sys::LWLock, mode: pg_sys::LWLockMode::Type) -> bool;
    pub(crate) fn LWLockConditionalAcquire(lock: *mut pg_sys::LWLock, mode: pg_sys::LWLockMode::Type) -> bool;
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    pub(crate) fn LWLockHeldByMe(lock: *mut pg_sys::LWLock) -> bool;
    pub(crate) fn LWLockInitialize(lock: *mut pg_sys::LWLock, tranche: c_int);
    pub(crate) fn LWLockRelease(lock: *mut pg_sys::LWLock);
    pub(crate) fn LWLockReleaseAll();

    // shmem.c
    pub(crate) fn ShmemAddrIsValid(address: *const c_void) -> bool;

    // dynahash.c
    pub(crate) fn get_hash_value(table: *mut c_void, key: *const c_void) -> u32;
    pub(crate) fn hash_search(
        table: *mut c_void,
        key: *const c_void,
        action: pg_sys::HASHACTION::Type,
        found: *mut bool,
    ) -> *mut c_void;
    pub(crate) fn hash_search_with_hash_value(
        table: *mut c_void,
        key: *const c_void,
        hash: u32,
        action: pg_sys::HASHACTION::Type,
        found: *mut bool,
    ) -> *mut c_void;
    pub(crate) fn hash_seq_search(status: *mut pg_sys::HASH_SEQ_STATUS) -> *mut c_void;
    pub(crate) fn hash_update_hash_key(table: *mut c_void, entry: *mut c_void, key: *const c_void) -> bool;

    // s_lock.c
    pub(crate) fn s_lock(lock: *mut u8, file: *const c_char, line: c_int, function: *const c_char) -> c_int;

    // wait_event.c
    pub(crate) fn pgstat_get_wait_event_type(event: u32) -> *const c_char;
    pub(crate) fn pgstat_get_wait_event(event: u32) -> *const c_char;

    // postgres.c, from 18 on stack_depth.c
    pub(crate) fn set_stack_base() -> *mut c_char;
    pub(crate) fn restore_stack_base(base: *mut c_char);

    // spi.c
    pub(crate) fn SPI_connect() -> c_int;
    pub(crate) fn SPI_execute(source: *const c_char, read_only: bool, count: c_long) -> c_int;
    pub(crate) fn SPI_execute_with_args(
        source: *const c_char,
        arguments: c_int,
        types: *mut pg_sys::Oid,
        values: *mut pg_sys::Datum,
        nulls: *const c_char,
        read_only: bool,
        count: c_long,
    ) -> c_int;
    pub(crate) fn SPI_finish() -> c_int;
    pub(crate) fn SPI_gettypeid(row: pg_sys::TupleDesc, column: c_int) -> pg_sys::Oid;

    // execTuples.c, lsyscache.c, fmgr.c, dfmgr.c
    pub(crate) fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, columns: c_int);
    pub(crate) fn getTypeOutputInfo(type_: pg_sys::Oid, output: *mut pg_sys::Oid, is_varlena: *mut bool);
    pub(crate) fn OidOutputFunctionCall(function: pg_sys::Oid, value: pg_sys::Datum) -> *mut c_char;
    pub(crate) fn load_file(name: *const c_char, is_restricted: bool);

    // xact.c
    pub(crate) fn BeginInternalSubTransaction(name: *const c_char);
    pub(crate) fn RollbackAndReleaseCurrentSubTransaction();
    pub(crate) fn StartTransactionCommand();
    pub(crate) fn CommitTransactionCommand();
    pub(crate) fn IsTransactionState() -> bool;
    pub(crate) fn BeginImplicitTransactionBlock();
    pub(crate) fn EndImplicitTransactionBlock();
    pub(crate) fn CommandCounterIncrement();

    // syscache.c
    pub(crate) fn SearchSysCache1(cache: c_int, key: pg_sys::Datum) -> pg_sys::HeapTuple;
    pub(crate) fn SysCacheGetAttr(
        cache: c_int,
        tuple: pg_sys::HeapTuple,
        attribute: pg_sys::AttrNumber,
        is_null: *mut bool,
    ) -> pg_sys::Datum;
    pub(crate) fn ReleaseSysCache(tuple: pg_sys::HeapTuple);

    // inval.c
    pub(crate) fn InvalidateSystemCaches();

    // mcxt.c
    pub(crate) fn MemoryContextReset(context: pg_sys::MemoryContext);
    pub(crate) fn palloc0(bytes: usize) -> *mut c_void;
    pub(crate) fn pstrdup(text: *const c_char) -> *mut c_char;

    // latch.c
    pub(crate) fn SetLatch(latch: *mut pg_sys::Latch);

    // aset.c, generation.c, slab.c
    pub(crate) fn AllocSetContextCreateInternal(
        parent: pg_sys::MemoryContext,
        name: *const c_char,
        min_size: usize,
        first_block: usize,
        largest_block: usize,
    ) -> pg_sys::MemoryContext;
    pub(crate) fn GenerationContextCreate(
        parent: pg_sys::MemoryContext,
        name: *const c_char,
        min_size: usize,
        first_block: usize,
        largest_block: usize,
    ) -> pg_sys::MemoryContext;
    pub(crate) fn SlabContextCreate(
        parent: pg_sys::MemoryContext,
        name: *const c_char,
        block: usize,
        chunk: usize,
    ) -> pg_sys::MemoryContext;

    // mcxt.c: the chunk with its header.
    pub(crate) fn GetMemoryChunkSpace(chunk: *mut c_void) -> usize;
    pub(crate) fn pfree(chunk: *mut c_void);
    pub(crate) fn repalloc(chunk: *mut c_void, size: usize) -> *mut c_void;

    // bump.c
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    pub(crate) fn BumpContextCreate(
        parent: pg_sys::MemoryContext,
        name: *const c_char,
        min_size: usize,
        first_block: usize,
        largest_block: usize,
    ) -> pg_sys::MemoryContext;

    // mcxt.c, from 17 on: raises the ERROR of a failed allocation, or gives null where the flags ask for that.
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    pub(crate) fn MemoryContextAllocationFailure(
        context: pg_sys::MemoryContext,
        size: usize,
        flags: c_int,
    ) -> *mut c_void;

    // dsm.c. None of those that are called between marks raises an ERROR.
    pub(crate) fn dsm_create(size: usize, flags: c_int) -> Segment;
    pub(crate) fn dsm_attach(handle: Handle) -> Segment;
    pub(crate) fn dsm_detach(segment: Segment);
    pub(crate) fn dsm_pin_segment(segment: Segment);
    pub(crate) fn dsm_unpin_segment(handle: Handle);
    pub(crate) fn dsm_find_mapping(handle: Handle) -> Segment;
    pub(crate) fn dsm_segment_handle(segment: Segment) -> Handle;
    pub(crate) fn dsm_segment_map_length(segment: Segment) -> usize;
    pub(crate) fn dsm_segment_address(segment: Segment) -> *mut c_void;
    pub(crate) fn on_dsm_detach(
        segment: Segment,
        function: unsafe extern "C-unwind" fn(Segment, usize),
        argument: usize,
    );

    // dsm_impl.c
    pub(crate) fn dsm_impl_op(
        operation: pg_sys::dsm_op::Type,
        handle: Handle,
        size: usize,
        private: *mut *mut c_void,
        start: *mut *mut c_void,
        bytes: *mut usize,
        level: c_int,
    ) -> bool;

    // ipci.c, shmem.c, lwlock.c
    pub(crate) fn RequestAddinShmemSpace(size: usize);
    pub(crate) fn RequestNamedLWLockTranche(name: *const c_char, locks: c_int);
    pub(crate) fn GetNamedLWLockTranche(name: *const c_char) -> *mut pg_sys::LWLockPadded;
    pub(crate) fn ShmemInitStruct(name: *const c_char, size: usize, found: *mut bool) -> *mut c_void;
    /// What it takes differs: [`HashArguments`] has it from the words that are handed over in registers.
    pub(crate) fn ShmemInitHash(name: *const c_char, a: usize, b: usize, c: usize, d: usize) -> *mut c_void;
    pub(crate) fn ShmemAllocNoError(size: usize) -> *mut c_void;
    // dynahash.c
    pub(crate) fn hash_estimate_size(elements: c_long, entry: usize) -> usize;

    // sysv_shmem.c
    pub(crate) static UsedShmemSegAddr: *mut c_void;
}

/// What a library passes to `ShmemInitHash` besides the name.
pub(crate) struct HashArguments {
    /// Elements that there is room for at the start.
    pub(crate) first_size: i64,
    pub(crate) info: *mut pg_sys::HASHCTL,
    pub(crate) flags: c_int,
}

impl HashArguments {
    /// From the words behind the name: the size at first, the largest one, the description and flags up to 18, the size, the description
    /// and flags from 19 on.
    pub(crate) fn of(words: [usize; 4]) -> Self {
        let [first_size, .., c, d] = words;
        let (info, flags) = if FROM_19 { (words[1], c) } else { (c, d) };
        // The upper half of a register that holds an int is anything.
        Self { first_size: first_size as i64, info: std::ptr::with_exposed_provenance_mut(info), flags: flags as c_int }
    }
}

/// Whether a hash table in shared memory has all its memory in one piece, whose end is not that of its last element (`shmem_hash_create`).
pub(crate) const TABLES_ARE_OF_ONE_PIECE: bool = FROM_19;

const FROM_19: bool = cfg!(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")));

/// Before 17 there is no such kind of context, and nobody that would call this.
///
/// # Safety
/// None is needed.
#[cfg(any(feature = "pg15", feature = "pg16"))]
#[allow(non_snake_case)]
pub(crate) unsafe extern "C-unwind" fn BumpContextCreate(
    _parent: pg_sys::MemoryContext,
    _name: *const c_char,
    _min_size: usize,
    _first_block: usize,
    _largest_block: usize,
) -> pg_sys::MemoryContext {
    std::ptr::null_mut()
}

/// Whether chunks of a context have headers: not so those of a Bump (bump.c).
///
/// # Safety
/// The context is live.
pub(crate) unsafe fn has_chunk_headers(context: pg_sys::MemoryContext) -> bool {
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: live by the caller's promise.
    return unsafe { (*context).type_ } != pg_sys::NodeTag::T_BumpContext;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    return !context.is_null();
}
