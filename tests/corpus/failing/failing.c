/*-------------------------------------------------------------------------
 *
 * failing.c
 *		What becomes of a session whose allocations fail.
 *
 * NAME_bad is wrong, NAME_ok is its fix, NAME_decoy looks like it and is
 * allowed.  The three are one function with another constant each.  What each
 * is for is said in failing--1.0.sql, what is wrong with it above its
 * definition.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

PG_MODULE_MAGIC;

typedef enum Twin
{
	BAD,
	OK,
	DECOY,
} Twin;

#define TWINS	3

/* The number of the transaction, as this backend counts */
#if PG_VERSION_NUM >= 170000
#define GET_LOCAL_TRANSACTION	(MyProc->vxid.lxid)
#else
#define GET_LOCAL_TRANSACTION	(MyProc->lxid)
#endif

#define ONE_TWIN(name, suffix, twin) \
	PG_FUNCTION_INFO_V1(name##_##suffix); \
	Datum name##_##suffix(PG_FUNCTION_ARGS) \
	{ \
		return name(fcinfo, twin); \
	} \
	extern int no_such_variable

#define SUBJECT(name) \
	ONE_TWIN(name, bad, BAD); \
	ONE_TWIN(name, ok, OK); \
	ONE_TWIN(name, decoy, DECOY)

#define SUBJECT_BODY	static pg_noinline Datum

/* A context of this library's own, which is always there. */
static MemoryContext
own_context(void)
{
	static MemoryContext own = NULL;

	if (own == NULL)
		own = AllocSetContextCreate(TopMemoryContext, "failing", ALLOCSET_DEFAULT_SIZES);
	return own;
}

static void
no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Failed in malloc.")));
}

/* The result of malloc is not looked at. */
SUBJECT_BODY
unchecked(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	size_t		size = strlen(string) + 1;
	volatile char *copy = malloc(size);
	text	   *result;

	if (twin == OK && copy == NULL)
		no_memory();
	if (twin == DECOY && copy == NULL)
		PG_RETURN_TEXT_P(cstring_to_text(string));
	for (size_t i = 0; i < size; i++)
		copy[i] = string[i];
	PG_TRY();
	{
		result = cstring_to_text((char *) copy);
	}
	PG_FINALLY();
	{
		free((void *) copy);
	}
	PG_END_TRY();
	PG_RETURN_TEXT_P(result);
}

SUBJECT(unchecked);

typedef struct HalfEntry
{
	char		key[NAMEDATALEN];
	char	   *value;
} HalfEntry;

/* An entry is in the table before its value is there, and stays. */
SUBJECT_BODY
half_entry(FunctionCallInfo fcinfo, Twin twin)
{
	static HTAB *tables[TWINS];
	HTAB	   *table = tables[twin];
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *value = NULL;
	HalfEntry  *entry;
	bool		found;

	if (table == NULL)
	{
		HASHCTL		ctl = {.keysize = NAMEDATALEN, .entrysize = sizeof(HalfEntry), .hcxt = own_context()};

		table = tables[twin] = hash_create("half entries", 16, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	entry = hash_search(table, key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		if (twin == OK)
		{
			value = MemoryContextStrdup(own_context(), key);
			PG_TRY();
			{
				entry = hash_search(table, key, HASH_ENTER, &found);
			}
			PG_CATCH();
			{
				pfree(value);
				PG_RE_THROW();
			}
			PG_END_TRY();
			entry->value = value;
		}
		else
		{
			entry = hash_search(table, key, HASH_ENTER, &found);
			entry->value = NULL;
			entry->value = MemoryContextStrdup(own_context(), key);
		}
	}
	/* One without a value is one that is not there yet. */
	if (twin == DECOY && entry->value == NULL)
		entry->value = MemoryContextStrdup(own_context(), key);
	if (entry->value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(entry->value));
}

SUBJECT(half_entry);

/* The list is longer before its new cell has anything in it. */
SUBJECT_BODY
counted_list(FunctionCallInfo fcinfo, Twin twin)
{
	static struct ItemList
	{
		int			length;
		int			room;
		char	  **items;
	}			lists[TWINS];
	struct ItemList *list = &lists[twin];
	char	   *item = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *copy;

	for (int i = 0; i < list->length; i++)
	{
		/* A cell without an item is filled by whoever comes by it. */
		if (twin == DECOY && list->items[i] == NULL)
			list->items[i] = MemoryContextStrdup(own_context(), item);
		if (strcmp(list->items[i], item) == 0)
			PG_RETURN_INT32(list->length);
	}
	if (list->length == list->room)
	{
		int			room = list->room + 4;

		if (list->items == NULL)
			list->items = MemoryContextAllocZero(own_context(), room * sizeof(char *));
		else
			list->items = repalloc(list->items, room * sizeof(char *));
		list->room = room;
	}
	if (twin == OK)
	{
		copy = MemoryContextStrdup(own_context(), item);
		list->items[list->length++] = copy;
	}
	else
	{
		list->items[list->length++] = NULL;
		list->items[list->length - 1] = MemoryContextStrdup(own_context(), item);
	}
	PG_RETURN_INT32(list->length);
}

SUBJECT(counted_list);

/* What is replaced is given back before there is something in its place. */
SUBJECT_BODY
replaced(FunctionCallInfo fcinfo, Twin twin)
{
	static char *lasts[TWINS];
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (twin == OK)
	{
		char	   *last = MemoryContextStrdup(own_context(), string);

		if (lasts[twin] != NULL)
			pfree(lasts[twin]);
		lasts[twin] = last;
	}
	else
	{
		if (lasts[twin] != NULL)
			pfree(lasts[twin]);
		/* Nothing is in its place for a while, and that is known. */
		if (twin == DECOY)
			lasts[twin] = NULL;
		lasts[twin] = MemoryContextStrdup(own_context(), string);
	}
	PG_RETURN_TEXT_P(cstring_to_text(lasts[twin]));
}

SUBJECT(replaced);

/* Nobody frees malloc'ed memory for who is left by an ERROR. */
SUBJECT_BODY
kept_malloc(FunctionCallInfo fcinfo, Twin twin)
{
	static char *kept = NULL;
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *copy;
	text	   *result = NULL;

	/* It is used again by the next call. */
	copy = twin == DECOY && kept != NULL ? kept : malloc(strlen(string) + 1);
	if (copy == NULL)
		no_memory();
	strcpy(copy, string);
	if (twin == DECOY)
		kept = copy;
	if (twin == OK)
	{
		PG_TRY();
		{
			result = cstring_to_text(copy);
		}
		PG_CATCH();
		{
			free(copy);
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	else
		result = cstring_to_text(copy);
	if (twin != DECOY)
		free(copy);
	PG_RETURN_TEXT_P(result);
}

SUBJECT(kept_malloc);

/* The lock is released where nothing fails. */
SUBJECT_BODY
kept_lock(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext before = CurrentMemoryContext;
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *volatile result = NULL;

	if (twin == DECOY)
	{
		/* The end of the transaction releases it. */
		LWLockAcquire(AddinShmemInitLock, LW_SHARED);
		result = cstring_to_text(string);
		LWLockRelease(AddinShmemInitLock);
		PG_RETURN_TEXT_P(result);
	}
	PG_TRY();
	{
		LWLockAcquire(AddinShmemInitLock, LW_SHARED);
		result = cstring_to_text(string);
		LWLockRelease(AddinShmemInitLock);
	}
	PG_CATCH();
	{
		if (twin == OK)
			PG_RE_THROW();
		MemoryContextSwitchTo(before);
		FlushErrorState();
	}
	PG_END_TRY();
	/* As it came */
	if (result == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(result);
}

SUBJECT(kept_lock);

#define KEY	Int64GetDatum(4711)

/* The session's advisory locks outlive the transaction. */
SUBJECT_BODY
kept_advisory(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *volatile result = NULL;

	/* Those of the transaction do not. */
	if (twin == DECOY)
	{
		DirectFunctionCall1(pg_advisory_xact_lock_int8, KEY);
		PG_RETURN_TEXT_P(cstring_to_text(string));
	}
	DirectFunctionCall1(pg_advisory_lock_shared_int8, KEY);
	if (twin == BAD)
	{
		result = cstring_to_text(string);
		DirectFunctionCall1(pg_advisory_unlock_shared_int8, KEY);
	}
	else
	{
		PG_TRY();
		{
			result = cstring_to_text(string);
		}
		PG_FINALLY();
		{
			DirectFunctionCall1(pg_advisory_unlock_shared_int8, KEY);
		}
		PG_END_TRY();
	}
	PG_RETURN_TEXT_P(result);
}

SUBJECT(kept_advisory);

/* An ERROR that does not go on leaves what only its end would release. */
SUBJECT_BODY
kept_reference(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext before = CurrentMemoryContext;
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *volatile result = NULL;
	Relation	relation;

	/* The end of the transaction closes it. */
	if (twin == DECOY)
	{
		relation = table_open(RelationRelationId, AccessShareLock);
		result = cstring_to_text(string);
		table_close(relation, AccessShareLock);
		PG_RETURN_TEXT_P(result);
	}
	PG_TRY();
	{
		relation = table_open(RelationRelationId, AccessShareLock);
		result = cstring_to_text(string);
		table_close(relation, AccessShareLock);
	}
	PG_CATCH();
	{
		if (twin == OK)
			PG_RE_THROW();
		MemoryContextSwitchTo(before);
		FlushErrorState();
	}
	PG_END_TRY();
	/* As it came */
	if (result == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(result);
}

SUBJECT(kept_reference);

/* An ERROR that does not go on leaves another context current. */
SUBJECT_BODY
kept_switched(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext before = CurrentMemoryContext;
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *volatile result = NULL;

	MemoryContextSwitchTo(own_context());
	PG_TRY();
	{
		char	   *copy = pstrdup(string);

		pfree(copy);
		MemoryContextSwitchTo(before);
		result = PG_GETARG_TEXT_P_COPY(0);
	}
	PG_CATCH();
	{
		if (twin == OK)
			PG_RE_THROW();
		if (twin == DECOY)
			MemoryContextSwitchTo(before);
		FlushErrorState();
	}
	PG_END_TRY();
	/* As it came */
	if (result == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(result);
}

SUBJECT(kept_switched);

/* What says that the function is at work says so for ever. */
SUBJECT_BODY
kept_flag(FunctionCallInfo fcinfo, Twin twin)
{
	static LocalTransactionId at_work[TWINS];
	LocalTransactionId now = GET_LOCAL_TRANSACTION;
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *result = NULL;

	/* A call in a transaction before is over. */
	if (twin == DECOY && at_work[twin] != now)
		at_work[twin] = InvalidLocalTransactionId;
	if (at_work[twin] != InvalidLocalTransactionId)
		elog(ERROR, "a call of this function is under way already");
	at_work[twin] = now;
	if (twin == OK)
	{
		PG_TRY();
		{
			result = cstring_to_text(string);
		}
		PG_FINALLY();
		{
			at_work[twin] = InvalidLocalTransactionId;
		}
		PG_END_TRY();
	}
	else
		result = cstring_to_text(string);
	at_work[twin] = InvalidLocalTransactionId;
	PG_RETURN_TEXT_P(result);
}

SUBJECT(kept_flag);

/* It is asked again until there is memory, which may be never. */
SUBJECT_BODY
again_and_again(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *copy = NULL;
	text	   *result;

	for (int times = 0; copy == NULL; times++)
	{
		if (twin == OK && times > 0)
			no_memory();
		if (twin == DECOY && times == 3)
			PG_RETURN_TEXT_P(PG_GETARG_TEXT_P(0));
		copy = malloc(strlen(string) + 1);
	}
	strcpy(copy, string);
	PG_TRY();
	{
		result = cstring_to_text(copy);
	}
	PG_FINALLY();
	{
		free(copy);
	}
	PG_END_TRY();
	PG_RETURN_TEXT_P(result);
}

SUBJECT(again_and_again);

/* There may be no place for another segment. */
SUBJECT_BODY
no_segment(FunctionCallInfo fcinfo, Twin twin)
{
	Size		size = PG_GETARG_INT64(0);
	dsm_segment *segment = dsm_create(size, twin == DECOY ? 0 : DSM_CREATE_NULL_IF_MAXSEGMENTS);

	if (twin == OK && segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("there is no place for a segment")));
	memset(dsm_segment_address(segment), 0, size);
	size = dsm_segment_map_length(segment);
	dsm_detach(segment);
	PG_RETURN_INT64(size);
}

SUBJECT(no_segment);

/* What is counted up before SPI is called is not counted down where that fails. */
SUBJECT_BODY
queried(FunctionCallInfo fcinfo, Twin twin)
{
	static int	under_way[TWINS];
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *upper = NULL;
	Oid			types[] = {TEXTOID};
	Datum		values[] = {PG_GETARG_DATUM(0)};
	text	   *result;

	if (twin == BAD && under_way[twin] > 0)
		upper = "under way";
	under_way[twin]++;
	PG_TRY();
	{
		SPI_connect();
		if (SPI_execute_with_args("SELECT pg_catalog.upper($1)", 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "there is no answer to %s", string);
		if (upper == NULL)
			upper = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		result = SPI_palloc(strlen(upper) + VARHDRSZ);
		SET_VARSIZE(result, strlen(upper) + VARHDRSZ);
		memcpy(VARDATA(result), upper, strlen(upper));
		SPI_finish();
	}
	PG_CATCH();
	{
		if (twin != BAD)
			under_way[twin]--;
		PG_RE_THROW();
	}
	PG_END_TRY();
	under_way[twin]--;
	PG_RETURN_TEXT_P(result);
}

SUBJECT(queried);

/* That there was no memory passes for an answer. */
SUBJECT_BODY
no_answer(FunctionCallInfo fcinfo, Twin twin)
{
	Size		size = VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) + VARHDRSZ;
	text	   *result = palloc_extended(size, MCXT_ALLOC_NO_OOM);

	if (result == NULL)
	{
		if (twin == BAD)
			PG_RETURN_NULL();
		if (twin == DECOY)
			PG_RETURN_DATUM(PG_GETARG_DATUM(0));
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a text of %zu bytes is too large", size)));
	}
	SET_VARSIZE(result, size);
	memcpy(VARDATA(result), VARDATA_ANY(PG_GETARG_TEXT_PP(0)), size - VARHDRSZ);
	PG_RETURN_TEXT_P(result);
}

SUBJECT(no_answer);

PG_FUNCTION_INFO_V1(calls);
PG_FUNCTION_INFO_V1(loses);
PG_FUNCTION_INFO_V1(all_kinds);

Datum
calls(PG_FUNCTION_ARGS)
{
	static int	calls = 0;

	pfree(palloc(32));
	PG_RETURN_INT32(++calls);
}

Datum
loses(PG_FUNCTION_ARGS)
{
	int			bytes = PG_GETARG_INT32(0);

	pfree(palloc(32));
	memset(MemoryContextAlloc(own_context(), bytes), 0, bytes);
	pfree(palloc(48));
	PG_RETURN_INT32(bytes);
}

Datum
all_kinds(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	StringInfoData string;
	char	   *copy = text_to_cstring(PG_GETARG_TEXT_PP(0));
	List	   *list = lappend(NIL, makeString(copy));
	void	   *heap = malloc(64);

	if (heap == NULL)
		no_memory();
	free(heap);
	initStringInfo(&string);
	context = AllocSetContextCreate(CurrentMemoryContext, "all kinds", ALLOCSET_DEFAULT_SIZES);
	appendStringInfoString(&string, strVal(linitial(list)));
	if (palloc_extended(100, MCXT_ALLOC_NO_OOM) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("100 bytes are too many")));
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text(string.data));
}
