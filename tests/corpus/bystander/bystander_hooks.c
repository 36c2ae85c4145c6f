/*-------------------------------------------------------------------------
 *
 * bystander_hooks.c
 *		A library in every hook that statements pass, which looks things up there
 *		and loses nothing.
 *
 * A target of the silence suite: what the server does inside of its hooks, and
 * what it does for the hooks' look-ups, is the server's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "storage/bufmgr.h"
#include "tcop/utility.h"
#include "utils/elog.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_ExecutorStart = NULL;
static ExecutorRun_hook_type prev_ExecutorRun = NULL;
static ExecutorFinish_hook_type prev_ExecutorFinish = NULL;
static ExecutorEnd_hook_type prev_ExecutorEnd = NULL;
static ExecutorCheckPerms_hook_type prev_ExecutorCheckPerms = NULL;
static ProcessUtility_hook_type prev_ProcessUtility = NULL;
static post_parse_analyze_hook_type prev_post_parse_analyze = NULL;
static object_access_hook_type prev_object_access = NULL;
static emit_log_hook_type prev_emit_log = NULL;
#if PG_VERSION_NUM >= 190000
static build_simple_rel_hook_type prev_build_simple_rel = NULL;
#else
static get_relation_info_hook_type prev_get_relation_info = NULL;
#endif
static set_rel_pathlist_hook_type prev_set_rel_pathlist = NULL;
static set_join_pathlist_hook_type prev_set_join_pathlist = NULL;
static create_upper_paths_hook_type prev_create_upper_paths = NULL;

/* The hooks' own statements pass them as well. */
static bool looking = false;

/* What a look into the catalogs takes: a scan by index, a look-up in a cache, and the size of a relation */
static void
look_around(Oid relid)
{
	ScanKeyData key;
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (looking || !IsTransactionState())
		return;
	looking = true;
	catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		HeapTuple	copy = heap_copytuple(tuple);

		heap_freetuple(copy);
	}
	systable_endscan(scan);
	(void) RelationGetNumberOfBlocks(catalog);
	table_close(catalog, AccessShareLock);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	looking = false;
}

/* What a statement does is noted in a hash table of its own, in a context of its own, until it is over. */
static void
take_notes(int n)
{
	MemoryContext notes = AllocSetContextCreate(CurrentMemoryContext, "bystander notes", ALLOCSET_SMALL_SIZES);
	HASHCTL		ctl = {.keysize = sizeof(int), .entrysize = 64, .hcxt = notes};
	HTAB	   *table = hash_create("bystander notes table", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	StringInfoData line;

	initStringInfo(&line);
	for (int i = 0; i < n; i++)
	{
		(void) hash_search(table, &i, HASH_ENTER, NULL);
		appendStringInfo(&line, "note %d;", i);
	}
	pfree(line.data);
	MemoryContextDelete(notes);
}

/* A query of its own */
static void
ask_spi(void)
{
	/* The portal of a query may have given its snapshot back by now. */
	if (looking || !ActiveSnapshotSet())
		return;
	looking = true;
	SPI_connect();
	if (SPI_execute("SELECT relname FROM pg_catalog.pg_class WHERE oid = 1259", true, 1) != SPI_OK_SELECT)
		elog(WARNING, "SPI failed");
	SPI_finish();
	looking = false;
}

#if PG_VERSION_NUM >= 190000
#define AND_EXPLAIN		, ExplainState *explain
#define WITH_EXPLAIN	, explain
#else
#define AND_EXPLAIN
#define WITH_EXPLAIN
#endif

static PlannedStmt *
hook_planner(Query *parse, const char *query_string, int options, ParamListInfo params AND_EXPLAIN)
{
	look_around(RelationRelationId);
	return prev_planner ? prev_planner(parse, query_string, options, params WITH_EXPLAIN)
		: standard_planner(parse, query_string, options, params WITH_EXPLAIN);
}

static void
hook_ExecutorStart(QueryDesc *query, int flags)
{
	look_around(TypeRelationId);
	if (prev_ExecutorStart)
		prev_ExecutorStart(query, flags);
	else
		standard_ExecutorStart(query, flags);
	take_notes(20);
}

#if PG_VERSION_NUM >= 180000
#define RUN_ARGUMENTS QueryDesc *query, ScanDirection direction, uint64 count
#define RUN_PASSED query, direction, count
#else
#define RUN_ARGUMENTS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define RUN_PASSED query, direction, count, once
#endif

static void
hook_ExecutorRun(RUN_ARGUMENTS)
{
	take_notes(5);
	if (prev_ExecutorRun)
		prev_ExecutorRun(RUN_PASSED);
	else
		standard_ExecutorRun(RUN_PASSED);
}

static void
hook_ExecutorFinish(QueryDesc *query)
{
	ask_spi();
	if (prev_ExecutorFinish)
		prev_ExecutorFinish(query);
	else
		standard_ExecutorFinish(query);
}

static void
hook_ExecutorEnd(QueryDesc *query)
{
	ask_spi();
	if (prev_ExecutorEnd)
		prev_ExecutorEnd(query);
	else
		standard_ExecutorEnd(query);
}

#if PG_VERSION_NUM >= 160000
static bool
hook_ExecutorCheckPerms(List *range_table, List *infos, bool do_error)
{
	look_around(RelationRelationId);
	return prev_ExecutorCheckPerms ? prev_ExecutorCheckPerms(range_table, infos, do_error) : true;
}
#else
static bool
hook_ExecutorCheckPerms(List *range_table, bool do_error)
{
	look_around(RelationRelationId);
	return prev_ExecutorCheckPerms ? prev_ExecutorCheckPerms(range_table, do_error) : true;
}
#endif

static void
hook_ProcessUtility(PlannedStmt *statement, const char *query_string, bool read_only,
					ProcessUtilityContext context, ParamListInfo params,
					QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	/* A statement that ends the transaction must not find a snapshot of ours. */
	if (!IsA(statement->utilityStmt, TransactionStmt))
		look_around(RelationRelationId);
	take_notes(20);
	if (prev_ProcessUtility)
		prev_ProcessUtility(statement, query_string, read_only, context, params, environment, dest, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only, context, params, environment, dest, completion);
	take_notes(20);
}

static void
hook_post_parse_analyze(ParseState *state, Query *query,
#if PG_VERSION_NUM >= 190000
						const JumbleState *jumble)
#else
						JumbleState *jumble)
#endif
{
	if (prev_post_parse_analyze)
		prev_post_parse_analyze(state, query, jumble);
	if (query->commandType != CMD_UTILITY)
		look_around(RelationRelationId);
}

static void
hook_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, classId, objectId, subId, arg);
	look_around(objectId);
}

static void
hook_emit_log(ErrorData *edata)
{
	char	   *line = psprintf("%d: %s", edata->elevel, edata->message ? edata->message : "");

	pfree(line);
	if (prev_emit_log)
		prev_emit_log(edata);
}

#if PG_VERSION_NUM >= 190000
static void
hook_build_simple_rel(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	if (prev_build_simple_rel)
		prev_build_simple_rel(root, rel, rte);
	if (rte->rtekind == RTE_RELATION)
		look_around(rte->relid);
}
#else
static void
hook_get_relation_info(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	if (prev_get_relation_info)
		prev_get_relation_info(root, relid, inhparent, rel);
	look_around(relid);
}
#endif

static void
hook_set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	take_notes(3);
}

static void
hook_set_join_pathlist(PlannerInfo *root, RelOptInfo *joinrel, RelOptInfo *outerrel, RelOptInfo *innerrel,
					   JoinType jointype, JoinPathExtraData *extra)
{
	if (prev_set_join_pathlist)
		prev_set_join_pathlist(root, joinrel, outerrel, innerrel, jointype, extra);
	take_notes(3);
}

static void
hook_create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel,
						RelOptInfo *output_rel, void *extra)
{
	if (prev_create_upper_paths)
		prev_create_upper_paths(root, stage, input_rel, output_rel, extra);
	take_notes(3);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	/* The catalogs can still be read. */
	if (event == XACT_EVENT_PRE_COMMIT)
		look_around(RelationRelationId);
	take_notes(5);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	take_notes(5);
}

static void
at_invalidation(Datum arg, Oid relid)
{
	take_notes(1);
}

static void
at_cache_invalidation(Datum arg, int cacheid, uint32 hashvalue)
{
	take_notes(1);
}

void
_PG_init(void)
{
#define HOOK(name, function) \
	prev_##name = name##_hook; \
	name##_hook = function

	HOOK(planner, hook_planner);
	HOOK(ExecutorStart, hook_ExecutorStart);
	HOOK(ExecutorRun, hook_ExecutorRun);
	HOOK(ExecutorFinish, hook_ExecutorFinish);
	HOOK(ExecutorEnd, hook_ExecutorEnd);
	HOOK(ExecutorCheckPerms, hook_ExecutorCheckPerms);
	HOOK(ProcessUtility, hook_ProcessUtility);
	HOOK(post_parse_analyze, hook_post_parse_analyze);
	HOOK(object_access, hook_object_access);
	HOOK(emit_log, hook_emit_log);
#if PG_VERSION_NUM >= 190000
	HOOK(build_simple_rel, hook_build_simple_rel);
#else
	HOOK(get_relation_info, hook_get_relation_info);
#endif
	HOOK(set_rel_pathlist, hook_set_rel_pathlist);
	HOOK(set_join_pathlist, hook_set_join_pathlist);
	HOOK(create_upper_paths, hook_create_upper_paths);

	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	CacheRegisterRelcacheCallback(at_invalidation, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, at_cache_invalidation, (Datum) 0);
}
