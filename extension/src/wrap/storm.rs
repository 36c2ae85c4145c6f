//! Invalidations in the midst of what targets do: before a call of one of the server's functions that may process them.
//!
//! Another session may change a catalog at any time, and the server takes note of it wherever it locks a relation, or looks up
//! what is in no cache (`AcceptInvalidationMessages`). A server built with `DISCARD_CACHES_ENABLED` takes each such place for one
//! at which all that is cached was changed (`debug_discard_caches`). Here it is done for the calls of the targets, on any server:
//! functions of ours stand before those of the server, and cost two instructions while there is no storm.
//!
//! A place in the list is one that may get to `AcceptInvalidationMessages` in a server as it is, be it that what it looks for was in
//! a cache the last time; nothing else may be, since a target may rely on what stays.

use std::arch::global_asm;
use std::cell::Cell;
use std::ffi::CStr;

use crate::elf::symbols;
use crate::pg::ServerThread;
use crate::pg::caches::{can_invalidate, invalidate};
use crate::stack::calls;

/// Functions that may process invalidations, of any version.
const PLACES: &[&CStr] = &[
    c"relation_open",
    c"try_relation_open",
    c"relation_openrv",
    c"relation_openrv_extended",
    c"table_open",
    c"try_table_open",
    c"table_openrv",
    c"table_openrv_extended",
    c"index_open",
    c"try_index_open",
    c"sequence_open",
    c"LockRelationOid",
    c"ConditionalLockRelationOid",
    c"LockRelation",
    c"ConditionalLockRelation",
    c"LockDatabaseObject",
    c"LockSharedObject",
    c"RangeVarGetRelidExtended",
    c"RelationIdGetRelation",
    c"RelationGetIndexList",
    c"RelationGetFKeyList",
    c"RelationGetStatExtList",
    c"RelationGetIndexExpressions",
    c"RelationGetIndexPredicate",
    c"RelationGetIndexAttrBitmap",
    c"RelationGetPartitionDesc",
    c"RelationGetPartitionKey",
    c"find_inheritance_children",
    c"find_all_inheritors",
    c"systable_beginscan",
    c"CatalogOpenIndexes",
    c"CatalogTupleInsert",
    c"CatalogTupleUpdate",
    c"CatalogTupleDelete",
    c"AcceptInvalidationMessages",
    c"SearchSysCache",
    c"SearchSysCache1",
    c"SearchSysCache2",
    c"SearchSysCache3",
    c"SearchSysCache4",
    c"SearchSysCacheCopy",
    c"SearchSysCacheExists",
    c"SearchSysCacheLocked1",
    c"SearchSysCacheLockedCopy1",
    c"SearchSysCacheAttName",
    c"SearchSysCacheCopyAttName",
    c"SearchSysCacheExistsAttName",
    c"SearchSysCacheAttNum",
    c"SearchSysCacheCopyAttNum",
    c"SearchSysCacheList",
    c"GetSysCacheOid",
    c"lookup_type_cache",
    c"lookup_rowtype_tupdesc",
    c"lookup_rowtype_tupdesc_noerror",
    c"lookup_rowtype_tupdesc_copy",
    c"lookup_rowtype_tupdesc_domain",
    c"DomainHasConstraints",
    c"get_call_result_type",
    c"get_expr_result_type",
    c"get_expr_result_tupdesc",
    c"get_func_result_type",
    c"TypeGetTupleDesc",
    c"TupleDescGetAttInMetadata",
    c"GetAttributeByName",
    c"GetAttributeByNum",
    c"get_attname",
    c"get_attnum",
    c"get_atttype",
    c"get_atttypetypmodcoll",
    c"get_opcode",
    c"get_opname",
    c"get_oprrest",
    c"get_oprjoin",
    c"get_op_rettype",
    c"get_rel_name",
    c"get_rel_namespace",
    c"get_rel_type_id",
    c"get_rel_relkind",
    c"get_rel_relispartition",
    c"get_rel_tablespace",
    c"get_rel_persistence",
    c"get_relname_relid",
    c"get_func_name",
    c"get_func_namespace",
    c"get_func_rettype",
    c"get_func_nargs",
    c"get_func_signature",
    c"get_func_variadictype",
    c"get_func_retset",
    c"func_strict",
    c"func_volatile",
    c"func_parallel",
    c"get_typlen",
    c"get_typbyval",
    c"get_typlenbyval",
    c"get_typlenbyvalalign",
    c"get_type_io_data",
    c"get_typdefault",
    c"get_typtype",
    c"type_is_rowtype",
    c"type_is_enum",
    c"type_is_range",
    c"type_is_multirange",
    c"get_type_category_preferred",
    c"get_typ_typrelid",
    c"get_element_type",
    c"get_array_type",
    c"get_promoted_array_type",
    c"get_base_element_type",
    c"getTypeInputInfo",
    c"getTypeOutputInfo",
    c"getTypeBinaryInputInfo",
    c"getTypeBinaryOutputInfo",
    c"getTypeIOParam",
    c"get_typmodin",
    c"get_typcollation",
    c"type_is_collatable",
    c"getSubscriptingRoutines",
    c"get_typsubscript",
    c"get_range_subtype",
    c"get_range_collation",
    c"get_opfamily_member",
    c"get_opfamily_proc",
    c"get_ordering_op_properties",
    c"get_commutator",
    c"get_negator",
    c"get_opclass_family",
    c"get_opclass_input_type",
    c"get_opclass_opfamily_and_input_type",
    c"get_collation_name",
    c"get_constraint_name",
    c"get_language_name",
    c"get_namespace_name",
    c"get_namespace_name_or_temp",
    c"getBaseType",
    c"getBaseTypeAndTypmod",
    c"get_index_column_opclass",
    c"format_type_be",
    c"format_type_be_qualified",
    c"format_type_extended",
    c"format_type_with_typemod",
    c"TypenameGetTypid",
    c"LookupTypeName",
    c"typenameType",
    c"typenameTypeId",
    c"parseTypeString",
    c"FuncnameGetCandidates",
    c"LookupFuncName",
    c"LookupExplicitNamespace",
    c"get_namespace_oid",
    c"fmgr_info",
    c"fmgr_info_cxt",
    c"OidFunctionCall0Coll",
    c"OidFunctionCall1Coll",
    c"OidFunctionCall2Coll",
    c"OidFunctionCall3Coll",
    c"OidFunctionCall4Coll",
    c"OidFunctionCall5Coll",
    c"OidFunctionCall6Coll",
    c"OidFunctionCall7Coll",
    c"OidFunctionCall8Coll",
    c"OidFunctionCall9Coll",
    c"OidInputFunctionCall",
    c"OidOutputFunctionCall",
    c"OidReceiveFunctionCall",
    c"OidSendFunctionCall",
    c"get_extension_oid",
    c"get_extension_name",
    c"get_database_name",
    c"get_database_oid",
    c"get_role_oid",
    c"GetUserNameFromId",
    c"get_tablespace_name",
    c"GetForeignTable",
    c"GetForeignServer",
    c"GetForeignDataWrapper",
    c"GetForeignServerByName",
    c"GetUserMapping",
    c"GetFdwRoutineForRelation",
    c"pg_class_aclcheck",
    c"pg_attribute_aclcheck",
    c"pg_proc_aclcheck",
    c"object_aclcheck",
    c"object_ownercheck",
    c"SPI_execute",
    c"SPI_exec",
    c"SPI_execute_extended",
    c"SPI_execute_with_args",
    c"SPI_execp",
    c"SPI_execute_plan",
    c"SPI_execute_plan_extended",
    c"SPI_execute_plan_with_paramlist",
    c"SPI_execute_snapshot",
    c"SPI_prepare",
    c"SPI_prepare_cursor",
    c"SPI_prepare_params",
    c"SPI_prepare_extended",
    c"SPI_cursor_open",
    c"SPI_cursor_open_with_args",
    c"SPI_cursor_open_with_paramlist",
    c"SPI_cursor_parse_open",
    c"SPI_cursor_fetch",
    c"SPI_cursor_move",
    c"SPI_gettype",
    c"SPI_getvalue",
    c"SPI_getrelname",
    c"SPI_getnspname",
    c"standard_planner",
    c"planner",
    c"pg_plan_query",
    c"standard_ExecutorStart",
    c"ExecutorStart",
    c"standard_ProcessUtility",
    c"ProcessUtility",
    c"parse_analyze_fixedparams",
    c"parse_analyze_varparams",
    c"pg_analyze_and_rewrite_fixedparams",
    c"GetCachedPlan",
    c"CompleteCachedPlan",
    c"eval_const_expressions",
    c"expression_planner",
    c"ExecPrepareExpr",
    c"ExecInitExpr",
];

/// How many there are.
const COUNT: usize = PLACES.len();
/// Bytes from one of ours to the next.
const SIZE: usize = 16;

/// Where the server's functions are; 0 where this version has none of that name.
static mut FUNCTIONS: [usize; COUNT] = [0; COUNT];
/// Whether there is a storm.
static mut IS_ON: bool = false;
/// Whether an invalidation is under way: what it calls is not struck.
static IS_STRIKING: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

// The arguments of the function are where they are: six words and eight vectors in registers, how many of these in rax, the rest
// on the stack (psABI, "Parameter Passing"). r11 may be changed on the way.
global_asm!(
    ".p2align 4",
    ".globl pg_ext_memcheck_storm",
    ".hidden pg_ext_memcheck_storm",
    "pg_ext_memcheck_storm:",
    ".set pg_ext_memcheck_place, 0",
    ".rept {count}",
    "lea r11, [rip + {functions} + pg_ext_memcheck_place * 8]",
    "jmp 1f",
    ".p2align 4",
    ".set pg_ext_memcheck_place, pg_ext_memcheck_place + 1",
    ".endr",
    "1:",
    "cmp byte ptr [rip + {is_on}], 0",
    "jne 2f",
    "jmp [r11]",
    ".type pg_ext_memcheck_strike, @function",
    "2:",
    "pg_ext_memcheck_strike:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rdi",
    "push rsi",
    "push rdx",
    "push rcx",
    "push r8",
    "push r9",
    "push rax",
    "push r11",
    "sub rsp, 128",
    "movups [rsp], xmm0",
    "movups [rsp + 16], xmm1",
    "movups [rsp + 32], xmm2",
    "movups [rsp + 48], xmm3",
    "movups [rsp + 64], xmm4",
    "movups [rsp + 80], xmm5",
    "movups [rsp + 96], xmm6",
    "movups [rsp + 112], xmm7",
    "call {strike}",
    "movups xmm0, [rsp]",
    "movups xmm1, [rsp + 16]",
    "movups xmm2, [rsp + 32]",
    "movups xmm3, [rsp + 48]",
    "movups xmm4, [rsp + 64]",
    "movups xmm5, [rsp + 80]",
    "movups xmm6, [rsp + 96]",
    "movups xmm7, [rsp + 112]",
    "add rsp, 128",
    "pop r11",
    "pop rax",
    "pop r9",
    "pop r8",
    "pop rcx",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "jmp [r11]",
    ".cfi_endproc",
    ".size pg_ext_memcheck_strike, . - pg_ext_memcheck_strike",
    count = const COUNT,
    functions = sym FUNCTIONS,
    is_on = sym IS_ON,
    strike = sym strike_from,
);

unsafe extern "C" {
    fn pg_ext_memcheck_storm();
}

/// The function of ours that stands before the server's of that name, where that may process invalidations.
pub(super) fn before(name: &CStr) -> Option<usize> {
    let place = PLACES.iter().position(|place| *place == name)?;
    // SAFETY: one thread does this, and the address of a function stays what it is.
    unsafe {
        let function = (&raw mut FUNCTIONS).cast::<usize>().add(place);
        if *function == 0 {
            *function = symbols::address_of(name);
        }
        (*function != 0).then(|| (pg_ext_memcheck_storm as *const ()).addr() + place * SIZE)
    }
}

/// Begins or ends a storm. What is cached when it begins is not of it: [`strike`] once.
pub(crate) fn set(is_on: bool) {
    // SAFETY: one thread does this.
    unsafe { IS_ON = is_on };
    super::with(|chain| chain.guard.pages.guard_caches(is_on));
}

/// Invalidates all that is cached, if there is a storm. Raises an ERROR where that does.
pub(crate) fn strike() {
    // SAFETY: one thread writes to it.
    if !unsafe { IS_ON } || !calls::is_this_thread() || !can_invalidate() || IS_STRIKING.replace(true) {
        return;
    }
    // What the server makes anew is its own.
    let done = invalidate(calls::fence);
    IS_STRIKING.set(false);
    if let Err(raised) = done {
        raised.raise();
    }
}

/// Called from the functions of ours, with nothing in hand.
unsafe extern "C-unwind" fn strike_from() {
    strike();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_line() {
        for (number, place) in PLACES.iter().enumerate() {
            assert!(PLACES[..number].iter().all(|other| other != place), "{place:?}");
        }
        assert_eq!(before(c"no_such_function"), None);
    }
}
