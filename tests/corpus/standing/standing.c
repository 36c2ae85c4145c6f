/*-------------------------------------------------------------------------
 *
 * standing.c
 *		Functions that have the server fill contexts of its own, and functions
 *		that lose something in such contexts.
 *
 * What the server keeps there because of a call - entries of its relation, lock
 * and sequence tables and the like - is not the library's; what the library puts
 * there, or has put there, is.  standing--1.0.sql says what each function loses.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "replication/message.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

PG_MODULE_MAGIC;

/*
 * The server fills its caches
 */

/* Relation cache, tables of open files and of locks, statistics */
PG_FUNCTION_INFO_V1(size_of);
Datum
size_of(PG_FUNCTION_ARGS)
{
	Relation	relation = table_open(PG_GETARG_OID(0), AccessShareLock);
	int64		blocks = RelationGetNumberOfBlocks(relation);

	table_close(relation, AccessShareLock);
	PG_RETURN_INT64(blocks);
}

/* The table of sequences */
PG_FUNCTION_INFO_V1(next_of);
Datum
next_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(nextval_internal(PG_GETARG_OID(0), true));
}

/* WAL record construction */
PG_FUNCTION_INFO_V1(write_wal);
Datum
write_wal(PG_FUNCTION_ARGS)
{
	int32		length = PG_GETARG_INT32(0);
	char	   *message = palloc0(length);

#if PG_VERSION_NUM >= 170000
	(void) LogLogicalMessage("standing", message, length, false, false);
#else
	(void) LogLogicalMessage("standing", message, length, false);
#endif
	pfree(message);
	PG_RETURN_VOID();
}

/* What the relation cache keeps about a table's indexes, and the type cache about its columns */
PG_FUNCTION_INFO_V1(describe);
Datum
describe(PG_FUNCTION_ARGS)
{
	Relation	relation = relation_open(PG_GETARG_OID(0), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(relation);
	List	   *indexes = RelationGetIndexList(relation);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		(void) index_getprocinfo(index, 1, 1);
		(void) RelationGetIndexExpressions(index);
		(void) RelationGetIndexPredicate(index);
		index_close(index, AccessShareLock);
	}
	for (int i = 0; i < desc->natts; i++)
		(void) lookup_type_cache(TupleDescAttr(desc, i)->atttypid,
								 TYPECACHE_EQ_OPR_FINFO | TYPECACHE_CMP_PROC_FINFO | TYPECACHE_HASH_PROC_FINFO);
	(void) RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_KEY);
	list_free(indexes);
	relation_close(relation, AccessShareLock);
	PG_RETURN_INT32(desc->natts);
}

/* The cache of number formats */
PG_FUNCTION_INFO_V1(format_number);
Datum
format_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(DirectFunctionCall2Coll(int4_to_char, DEFAULT_COLLATION_OID, PG_GETARG_DATUM(0),
											PG_GETARG_DATUM(1)));
}

/* The cache of regular expressions */
PG_FUNCTION_INFO_V1(matches);
Datum
matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(DirectFunctionCall2Coll(textregexeq, DEFAULT_COLLATION_OID, PG_GETARG_DATUM(0),
											PG_GETARG_DATUM(1)));
}

/* The table of row types: one of as many columns */
PG_FUNCTION_INFO_V1(record_of);
Datum
record_of(PG_FUNCTION_ARGS)
{
	int32		columns = PG_GETARG_INT32(0) % 1000 + 1;
	TupleDesc	desc = CreateTemplateTupleDesc(columns);

	for (int i = 1; i <= columns; i++)
		TupleDescInitEntry(desc, (AttrNumber) i, "x", INT4OID, -1, 0);
	PG_RETURN_INT32(BlessTupleDesc(desc)->tdtypmod);
}

/* The table of locks */
PG_FUNCTION_INFO_V1(lock_key);
Datum
lock_key(PG_FUNCTION_ARGS)
{
	LockDatabaseObject(RelationRelationId, PG_GETARG_INT32(0), 0, AccessShareLock);
	PG_RETURN_VOID();
}

/* The search path, and what the catalogs say about a name */
PG_FUNCTION_INFO_V1(resolve);
Datum
resolve(PG_FUNCTION_ARGS)
{
	List	   *names = textToQualifiedNameList(PG_GETARG_TEXT_PP(0));

	PG_RETURN_OID(RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true));
}

/* Values of settings */
PG_FUNCTION_INFO_V1(configure);
Datum
configure(PG_FUNCTION_ARGS)
{
	SetConfigOption("search_path", text_to_cstring(PG_GETARG_TEXT_PP(0)), PGC_USERSET, PGC_S_SESSION);
	PG_RETURN_VOID();
}

/*
 * A table access method
 */

static TableAmRoutine routine;
static const TableAmRoutine *heap;

#if PG_VERSION_NUM >= 190000
#define OPTIONS		uint32
#else
#define OPTIONS		int
#endif

static void
standing_tuple_insert(Relation relation, TupleTableSlot *slot, CommandId cid, OPTIONS options,
					  struct BulkInsertStateData *bistate)
{
	heap->tuple_insert(relation, slot, cid, options, bistate);
}

static TableScanDesc
standing_scan_begin(Relation relation, Snapshot snapshot, int nkeys, struct ScanKeyData *key,
					ParallelTableScanDesc pscan, uint32 flags)
{
	(void) RelationGetNumberOfBlocks(relation);
	return heap->scan_begin(relation, snapshot, nkeys, key, pscan, flags);
}

/* Its index is built by a function that wants the server's own (heap_getnext). */
static Oid
standing_relation_toast_am(Relation relation)
{
	return HEAP_TABLE_AM_OID;
}

PG_FUNCTION_INFO_V1(heap_handler);
Datum
heap_handler(PG_FUNCTION_ARGS)
{
	if (heap == NULL)
	{
		heap = GetHeapamTableAmRoutine();
		routine = *heap;
		routine.tuple_insert = standing_tuple_insert;
		routine.scan_begin = standing_scan_begin;
		routine.relation_toast_am = standing_relation_toast_am;
	}
	PG_RETURN_POINTER(&routine);
}

/*
 * The library loses something
 */

PG_FUNCTION_INFO_V1(leak_in_cache);
Datum
leak_in_cache(PG_FUNCTION_ARGS)
{
	(void) MemoryContextAlloc(CacheMemoryContext, 100);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_while_current);
Datum
leak_while_current(PG_FUNCTION_ARGS)
{
	MemoryContext before = MemoryContextSwitchTo(CacheMemoryContext);

	(void) get_rel_name(PG_GETARG_OID(0));
	MemoryContextSwitchTo(before);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_in_index_info);
Datum
leak_in_index_info(PG_FUNCTION_ARGS)
{
	Relation	index = index_open(PG_GETARG_OID(0), AccessShareLock);

	(void) MemoryContextAlloc(index->rd_indexcxt, 60);
	index_close(index, AccessShareLock);
	PG_RETURN_VOID();
}

static void
nothing_to_do(XactEvent event, void *arg)
{
}

PG_FUNCTION_INFO_V1(leak_callback);
Datum
leak_callback(PG_FUNCTION_ARGS)
{
	RegisterXactCallback(nothing_to_do, NULL);
	PG_RETURN_VOID();
}

/* The first cells are part of the list; more of them are put beside it. */
PG_FUNCTION_INFO_V1(leak_cell);
Datum
leak_cell(PG_FUNCTION_ARGS)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	List	   *cells = list_make1_int(0);

	MemoryContextSwitchTo(before);
	for (int i = 0; i < 20; i++)
		cells = lappend_int(cells, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_text);
Datum
leak_text(PG_FUNCTION_ARGS)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	StringInfo	kept = makeStringInfo();

	MemoryContextSwitchTo(before);
	appendStringInfo(kept, "%s %2000d\n", text_to_cstring(PG_GETARG_TEXT_PP(0)), 1);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_entry);
Datum
leak_entry(PG_FUNCTION_ARGS)
{
	static HTAB *entries = NULL;
	int32		key = PG_GETARG_INT32(0);

	if (entries == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(int32), .entrysize = 200};

		entries = hash_create("standing entries", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	(void) hash_search(entries, &key, HASH_ENTER, NULL);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_function);
Datum
leak_function(PG_FUNCTION_ARGS)
{
	FmgrInfo   *function = MemoryContextAlloc(TopMemoryContext, sizeof(FmgrInfo));

	fmgr_info_cxt(F_INT4PL, function, TopMemoryContext);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_expression);
Datum
leak_expression(PG_FUNCTION_ARGS)
{
	static EState *estate = NULL;

	if (estate == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		estate = CreateExecutorState();
		MemoryContextSwitchTo(before);
	}
	(void) ExecPrepareExpr((Expr *) makeConst(INT4OID, -1, InvalidOid, 4, Int32GetDatum(1), false, true), estate);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_owner);
Datum
leak_owner(PG_FUNCTION_ARGS)
{
	(void) ResourceOwnerCreate(NULL, "standing");
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leak_slot);
Datum
leak_slot(PG_FUNCTION_ARGS)
{
	Relation	relation = table_open(PG_GETARG_OID(0), AccessShareLock);
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	(void) MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(relation)), &TTSOpsVirtual);
	MemoryContextSwitchTo(before);
	table_close(relation, AccessShareLock);
	PG_RETURN_VOID();
}
