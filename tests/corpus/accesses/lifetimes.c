/*-------------------------------------------------------------------------
 *
 * lifetimes.c
 *		Accesses to what is no longer there: freed, or gone with its context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "accesses.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#define CHUNK	64

/* Made by one function, so that it is another one that has the bad access */
static pg_noinline char *
make_chunk(void)
{
	char	   *chunk = palloc(CHUNK);

	fill(chunk, CHUNK);
	return chunk;
}

static pg_noinline void
free_chunk(char *chunk)
{
	pfree(chunk);
}

/* Read after pfree. The decoy reads a chunk that is made after it, which may be at the same place. */
SUBJECT_BODY
read_freed(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = make_chunk();
	int			read;

	if (twin == OK)
		read = count_of(chunk + 32, 1, 'x');
	free_chunk(chunk);
	if (twin == DECOY)
		chunk = make_chunk();
	if (twin != OK)
		read = count_of(chunk + 32, 1, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(read);
}
SUBJECT(read_freed);

/* Written after pfree. The decoy writes before it, to the end. */
SUBJECT_BODY
write_freed(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = make_chunk();

	if (twin == OK)
		fill(chunk + 32, 1);
	if (twin == DECOY)
		fill(chunk, CHUNK);
	free_chunk(chunk);
	if (twin == BAD)
		fill(chunk + 32, 1);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(write_freed);

/* Read after its context was reset. The decoy reads what is made in that context after it. */
SUBJECT_BODY
read_reset(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = make_chunk();
	int			read;

	if (twin == OK)
		read = count_of(chunk + 32, 1, 'x');
	MemoryContextReset(CurrentMemoryContext);
	if (twin == DECOY)
		chunk = make_chunk();
	if (twin != OK)
		read = count_of(chunk + 32, 1, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(read);
}
SUBJECT(read_reset);

/* Written after its context was reset. */
SUBJECT_BODY
write_reset(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = make_chunk();

	if (twin == OK)
		fill(chunk + 32, 1);
	MemoryContextReset(CurrentMemoryContext);
	if (twin == DECOY)
		chunk = make_chunk();
	if (twin != OK)
		fill(chunk + 32, 1);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(write_reset);

/* Read after its context was deleted. The decoy's context has another parent by then. */
SUBJECT_BODY
read_deleted(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	MemoryContext inner = AllocSetContextCreate(CurrentMemoryContext, "inner",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(inner);
	char	   *chunk = make_chunk();
	int			read;

	MemoryContextSwitchTo(outer);
	if (twin == OK)
		read = count_of(chunk + 32, 1, 'x');
	if (twin == DECOY)
		MemoryContextSetParent(inner, old);
	MemoryContextDeleteChildren(outer);
	if (twin != OK)
		read = count_of(chunk + 32, 1, 'x');
	if (twin == DECOY)
		MemoryContextDelete(inner);
	leave_scratch(old);
	PG_RETURN_INT32(read);
}
SUBJECT(read_deleted);

/* Written after its context was deleted */
SUBJECT_BODY
write_deleted(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	MemoryContext inner = AllocSetContextCreate(CurrentMemoryContext, "inner",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(inner);
	char	   *chunk = make_chunk();

	MemoryContextSwitchTo(outer);
	if (twin == OK)
		fill(chunk + 32, 1);
	if (twin == DECOY)
		MemoryContextSetParent(inner, old);
	MemoryContextDeleteChildren(outer);
	if (twin != OK)
		fill(chunk + 32, 1);
	if (twin == DECOY)
		MemoryContextDelete(inner);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}
SUBJECT(write_deleted);

/* The pointer of before repalloc. The decoy has made the chunk smaller, and takes the new one. */
SUBJECT_BODY
enlarged(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = make_chunk();
	char	   *larger = repalloc(chunk, twin == DECOY ? CHUNK / 2 : 64 * CHUNK);
	int			read;

	fill((twin == BAD ? chunk : larger) + 16, 8);
	read = count_of(larger, CHUNK / 2, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(read);
}
SUBJECT(enlarged);

/* Freed while the list is walked that it is part of. The decoy frees what a cell points to. */
SUBJECT_BODY
walked(FunctionCallInfo fcinfo, Twin twin)
{
	typedef struct Node
	{
		struct Node *next;
		int64		padding[3];
		volatile int64 value;
	} Node;
	MemoryContext old = enter_scratch();
	Node	   *first = NULL;
	List	   *list = NIL;
	int64		sum = 0;

	for (int i = 1; i <= 3; i++)
	{
		Node	   *node = palloc(sizeof(Node));

		node->value = i;
		node->next = first;
		first = node;
		list = lappend(list, node);
	}
	if (twin == DECOY)
	{
		ListCell   *cell;

		foreach(cell, list)
		{
			sum += ((Node *) lfirst(cell))->value;
			pfree(lfirst(cell));
		}
	}
	else
	{
		for (Node *node = first; node != NULL;)
		{
			Node	   *next = node->next;

			if (twin == OK)
				sum += node->value;
			pfree(node);
			if (twin == BAD)
				sum += node->value;
			node = next;
		}
	}
	leave_scratch(old);
	PG_RETURN_INT64(sum);
}
SUBJECT(walked);

/* As read_freed, in malloc's heap */
SUBJECT_BODY
heap_freed(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *volatile chunk = malloc(CHUNK);
	int			read = 0;

	if (chunk == NULL)
		elog(ERROR, "out of memory");
	fill(chunk, CHUNK);
	if (twin == OK)
		read = count_of(chunk + 32, 1, 'x');
	free(chunk);
	if (twin == DECOY)
	{
		chunk = malloc(CHUNK);
		fill(chunk, CHUNK);
		read = count_of(chunk + 32, 1, 'x');
		free(chunk);
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wuse-after-free"
	if (twin == BAD)
		read = count_of(chunk + 32, 1, 'x');
#pragma GCC diagnostic pop
	PG_RETURN_INT32(read);
}
SUBJECT(heap_freed);

/*
 * A static pointer is kept over statements, what it points to is not. The
 * decoy's is set anew by each.
 */
SUBJECT_BODY
stale(FunctionCallInfo fcinfo, Twin twin)
{
	static char *kept[TWINS];
	static int	calls[TWINS];

	if (kept[twin] == NULL || twin == DECOY)
	{
		MemoryContext old = CurrentMemoryContext;

		if (twin == OK)
			MemoryContextSwitchTo(TopMemoryContext);
		kept[twin] = make_chunk();
		MemoryContextSwitchTo(old);
	}
	calls[twin]++;
	PG_RETURN_INT32(count_of(kept[twin], CHUNK, 'x'));
}
SUBJECT(stale);

typedef struct Counter
{
	int64		calls;
	int64		padding[6];
	int64		check;
} Counter;

/*
 * fn_extra is kept for all rows of a statement, the context of a row is not.
 * The decoy is there for each row, and keeps no pointer.
 */
SUBJECT_BODY
extra(FunctionCallInfo fcinfo, Twin twin)
{
	volatile Counter *counter = fcinfo->flinfo->fn_extra;

	if (counter == NULL || twin == DECOY)
	{
		counter = twin == OK ? MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Counter))
			: palloc0(sizeof(Counter));
		if (twin != DECOY)
			fcinfo->flinfo->fn_extra = (void *) counter;
	}
	counter->calls++;
	counter->check = counter->calls;
	PG_RETURN_INT64(counter->check);
}
SUBJECT(extra);

/*
 * A document is written into a StringInfo, which is freed, and printed later.
 * The decoy empties the StringInfo and writes into it again.
 */
SUBJECT_BODY
printed(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	StringInfoData out;
	char	   *document;
	int			read;

	initStringInfo(&out);
	appendStringInfo(&out, "<function oid=\"%u\">x</function>", fcinfo->flinfo->fn_oid);
	document = twin == OK ? pstrdup(out.data) : out.data;
	if (twin == DECOY)
	{
		resetStringInfo(&out);
		appendStringInfoString(&out, "<function oid=\"12345\">x</function>");
	}
	else
		pfree(out.data);
	read = count_of(document, 32, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(read);
}
SUBJECT(printed);

typedef struct Prepared
{
	SPIPlanPtr	plan;
	Oid		   *types;
} Prepared;

/*
 * A plan is kept for the session, and the types of its arguments, which are
 * asked for each time, in a context of SPI. The decoy's plan goes with them.
 */
SUBJECT_BODY
planned(FunctionCallInfo fcinfo, Twin twin)
{
	static Prepared kept[TWINS];
	Prepared   *prepared = &kept[twin];
	Datum		value = Int32GetDatum(1);
	int			result = 0;

	SPI_connect();
	if (prepared->plan == NULL)
	{
		volatile Oid *types = twin == OK ? MemoryContextAlloc(TopMemoryContext, 16 * sizeof(Oid))
			: palloc(16 * sizeof(Oid));

		for (int i = 0; i < 16; i++)
			types[i] = INT4OID;
		prepared->types = (Oid *) types;
		prepared->plan = SPI_prepare("SELECT $1 + 1", 1, prepared->types);
		if (prepared->plan == NULL)
			elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
		if (twin != DECOY)
			SPI_keepplan(prepared->plan);
	}
	/* The last of them, which no header of another chunk comes to lie on */
	if (((volatile Oid *) prepared->types)[15] == INT4OID)
		result = 1;
	if (SPI_execute_plan(prepared->plan, &value, NULL, true, 1) != SPI_OK_SELECT)
		result = -1;
	if (twin == DECOY)
		prepared->plan = NULL;
	SPI_finish();
	PG_RETURN_INT32(result);
}
SUBJECT(planned);

/* A value of a result, used after SPI_finish. The decoy's is in the context of the caller. */
SUBJECT_BODY
finished(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *value;
	int			read = 0;

	SPI_connect();
	if (SPI_execute("SELECT repeat('x', 40)", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "no result");
	value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (twin == DECOY)
		value = strcpy(SPI_palloc(strlen(value) + 1), value);
	if (twin == OK)
		read = count_of(value, 40, 'x');
	SPI_finish();
	if (twin != OK)
		read = count_of(value, 40, 'x');
	PG_RETURN_INT32(read);
}
SUBJECT(finished);

/* Kept over the abort of the subtransaction that it was made in. The decoy's was made before. */
SUBJECT_BODY
aborted(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *chunk = twin == DECOY ? make_chunk() : NULL;
	int			read;

	BeginInternalSubTransaction(NULL);
	if (twin != DECOY)
	{
		MemoryContextSwitchTo(twin == OK ? old : CurTransactionContext);
		chunk = make_chunk();
	}
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;

	read = count_of(chunk + 32, 1, 'x');
	PG_RETURN_INT32(read);
}
SUBJECT(aborted);

/*
 * The session's table of hashes has keys by pointer, and a key lives as long as
 * the statement that brought it. The decoy looks for it and enters none.
 */
static uint32
key_hash(const void *key, Size size)
{
	const char *string = *(const char *const *) key;

	return string_hash(string, 33);
}

static int
key_compare(const void *a, const void *b, Size size)
{
	return strncmp(*(const char *const *) a, *(const char *const *) b, 33);
}

SUBJECT_BODY
keyed(FunctionCallInfo fcinfo, Twin twin)
{
	static HTAB *tables[TWINS];
	HTAB	   *table = tables[twin];
	char	   *key;
	bool		found;

	if (table == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(char *);
		control.entrysize = 2 * sizeof(char *);
		control.hash = key_hash;
		control.match = key_compare;
		control.hcxt = TopMemoryContext;
		table = tables[twin] = hash_create("keyed", 16, &control,
										   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	}

	key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	(void) hash_search(table, &key, twin == DECOY ? HASH_FIND : HASH_ENTER, &found);
	if (twin == OK && !found)
	{
		/* In the place of the one that it was entered by */
		char	   *lasting = MemoryContextStrdup(TopMemoryContext, key);

		*(char **) hash_search(table, &key, HASH_FIND, NULL) = lasting;
	}
	PG_RETURN_BOOL(found);
}
SUBJECT(keyed);

/*
 * A field of a table, read after it was closed and while nothing else holds it:
 * the next one that is opened takes in what was changed. The decoy has read the
 * field before.
 */
SUBJECT_BODY
closed(FunctionCallInfo fcinfo, Twin twin)
{
	Relation	relation = relation_open(PG_GETARG_OID(0), AccessShareLock);
	volatile FormData_pg_class *form = relation->rd_rel;
	int			columns = form->relnatts;

	if (twin != OK)
		relation_close(relation, NoLock);
	AcceptInvalidationMessages();
	if (twin != DECOY)
		columns = form->relnatts;
	if (twin == OK)
		relation_close(relation, NoLock);
	PG_RETURN_INT32(columns);
}
SUBJECT(closed);

/* The same with the entry of a type, which is read after it was given back */
SUBJECT_BODY
released(FunctionCallInfo fcinfo, Twin twin)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(PG_GETARG_OID(0)));
	volatile FormData_pg_type *form;
	int			length;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", PG_GETARG_OID(0));
	form = (Form_pg_type) GETSTRUCT(tuple);
	length = form->typlen;
	if (twin != OK)
		ReleaseSysCache(tuple);
	AcceptInvalidationMessages();
	if (twin != DECOY)
		length = form->typlen;
	if (twin == OK)
		ReleaseSysCache(tuple);
	PG_RETURN_INT32(length);
}
SUBJECT(released);

/* A pointer into the relation cache is kept over statements. The decoy keeps the table's Oid. */
SUBJECT_BODY
opened(FunctionCallInfo fcinfo, Twin twin)
{
	static Relation kept[TWINS];
	static Oid	oids[TWINS];
	Relation	relation;
	int			columns;

	if (oids[twin] == InvalidOid)
	{
		oids[twin] = PG_GETARG_OID(0);
		kept[twin] = relation_open(oids[twin], AccessShareLock);
		relation_close(kept[twin], AccessShareLock);
	}
	relation = twin == BAD ? kept[twin] : relation_open(oids[twin], AccessShareLock);
	columns = ((volatile FormData_pg_class *) relation->rd_rel)->relnatts;
	if (twin != BAD)
		relation_close(relation, AccessShareLock);
	PG_RETURN_INT32(columns);
}
SUBJECT(opened);

/*
 * What was made for one message of the client is read in the next one.  The
 * decoy asks for it anew in each.
 */
SUBJECT_BODY
messaged(FunctionCallInfo fcinfo, Twin twin)
{
	static char *kept[TWINS];

	if (kept[twin] == NULL || twin == DECOY)
		kept[twin] = MemoryContextStrdup(twin == OK ? TopMemoryContext : MessageContext, "hello");
	PG_RETURN_INT32(strlen(kept[twin]));
}
SUBJECT(messaged);
