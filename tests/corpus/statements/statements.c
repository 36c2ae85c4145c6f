/*-------------------------------------------------------------------------
 *
 * statements.c
 *		Hooks that do something for every statement, also for those that open a
 *		window, set a mark or close it: that is not the workload's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_class_d.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "storage/dsm.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

static int	leak_analyzed = 0;
static int	leak_planned = 0;
static int	leak_executed = 0;
static bool piles = false;
static bool remembers = false;

static post_parse_analyze_hook_type prev_analyze = NULL;
static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_start = NULL;

static void
leak(int bytes)
{
	if (bytes > 0)
		memset(MemoryContextAlloc(TopMemoryContext, bytes), 0, bytes);
}

/* A catalog scan, which takes locks and gives them back with the transaction. */
static void
scan(void)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	scan = systable_beginscan(rel, ClassOidIndexId, true, NULL, 1, &key);
	(void) systable_getnext(scan);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Keeps the texts of the last statements, as many as there are slots. */
static void
remember(const char *text)
{
	static char *slots[3];
	static int	next = 0;

	if (slots[next])
		pfree(slots[next]);
	slots[next] = MemoryContextStrdup(TopMemoryContext, text);
	next = (next + 1) % lengthof(slots);
}

static void
analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	/* ROLLBACK is analyzed in a transaction that is aborted. */
	if (IsTransactionState())
		scan();
	leak(leak_analyzed);
	if (remembers)
		remember(pstate->p_sourcetext);
	if (piles)
		AllocSetContextCreate(TopMemoryContext, "of a statement",
							  ALLOCSET_SMALL_SIZES);
	if (prev_analyze)
		prev_analyze(pstate, query, jstate);
}

#if PG_VERSION_NUM >= 190000
#define AND_EXPLAIN		, ExplainState *explain
#define WITH_EXPLAIN	, explain
#else
#define AND_EXPLAIN
#define WITH_EXPLAIN
#endif

static PlannedStmt *
plan(Query *parse, const char *query_string, int options, ParamListInfo params AND_EXPLAIN)
{
	leak(leak_planned);
	if (prev_planner)
		return prev_planner(parse, query_string, options, params WITH_EXPLAIN);
	return standard_planner(parse, query_string, options, params WITH_EXPLAIN);
}

static void
start(QueryDesc *query, int flags)
{
	leak(leak_executed);
	if (prev_start)
		prev_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

static void
define_bytes(const char *name, int *value)
{
	DefineCustomIntVariable(name, "Bytes lost for every statement.", NULL,
							value, 0, 0, 1 << 20, PGC_USERSET, 0,
							NULL, NULL, NULL);
}

void
_PG_init(void)
{
	define_bytes("statements.leak_analyzed", &leak_analyzed);
	define_bytes("statements.leak_planned", &leak_planned);
	define_bytes("statements.leak_executed", &leak_executed);
	DefineCustomBoolVariable("statements.piles", "A context is lost for every statement.",
							 NULL, &piles, false, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("statements.remembers", "The last statements are kept.",
							 NULL, &remembers, false, PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("statements");

	prev_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = analyze;
	prev_planner = planner_hook;
	planner_hook = plan;
	prev_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
}

/* Loses so many bytes, at once and in one place. */
PG_FUNCTION_INFO_V1(statements_lose);
Datum
statements_lose(PG_FUNCTION_ARGS)
{
	leak(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

/* A segment that is pinned and left; its handle. */
PG_FUNCTION_INFO_V1(statements_pin);
Datum
statements_pin(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_create(PG_GETARG_INT32(0), 0);
	dsm_handle	handle = dsm_segment_handle(segment);

	dsm_pin_segment(segment);
	dsm_detach(segment);
	PG_RETURN_INT64(handle);
}

PG_FUNCTION_INFO_V1(statements_unpin);
Datum
statements_unpin(PG_FUNCTION_ARGS)
{
	dsm_unpin_segment((dsm_handle) PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

/* A segment that is mapped until the session ends; its handle. */
PG_FUNCTION_INFO_V1(statements_map);
Datum
statements_map(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_create(PG_GETARG_INT32(0), 0);

	dsm_pin_mapping(segment);
	PG_RETURN_INT64(dsm_segment_handle(segment));
}

/* Maps another's until the session ends. */
PG_FUNCTION_INFO_V1(statements_attach);
Datum
statements_attach(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_attach((dsm_handle) PG_GETARG_INT64(0));

	if (segment == NULL)
		elog(ERROR, "there is no such segment");
	dsm_pin_mapping(segment);
	PG_RETURN_VOID();
}

/* A segment that is not detached. */
PG_FUNCTION_INFO_V1(statements_forget);
Datum
statements_forget(PG_FUNCTION_ARGS)
{
	(void) dsm_create(PG_GETARG_INT32(0), 0);
	PG_RETURN_VOID();
}
