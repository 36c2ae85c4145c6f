/*-------------------------------------------------------------------------
 *
 * callees.c
 *		Bad accesses by what the library calls, in libc and in the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "accesses.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

/* memcpy reads what was freed. The decoy copies nothing from there. */
SUBJECT_BODY
memcpy_from(FunctionCallInfo fcinfo, Twin twin)
{
	int32		size = PG_GETARG_INT32(0);
	MemoryContext old = enter_scratch();
	char	   *from = palloc(size);
	char	   *to = palloc0(size);

	fill(from, size);
	if (twin == OK)
		memcpy(to, from, size);
	pfree(from);
	if (twin != OK)
		memcpy(to, from, twin == DECOY ? 0 : size);
	size = count_of(to + 16, size - 16, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(size);
}
SUBJECT(memcpy_from);

/* memcpy writes behind the end. The decoy writes nothing there. */
SUBJECT_BODY
memcpy_to(FunctionCallInfo fcinfo, Twin twin)
{
	int32		size = PG_GETARG_INT32(0);
	int32		by = PG_GETARG_INT32(1);
	char	   *from = palloc(size + by);
	MemoryContext old = enter_scratch();
	char	   *to = palloc0(twin == OK ? size + by : size);

	fill(from, size + by);
	memcpy(to, from, twin == DECOY ? size : size + by);
	if (twin == DECOY)
		memcpy(to + size, from, from[0] == 'x' ? 0 : by);
	size = count_of(to, size, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(size);
}
SUBJECT(memcpy_to);

/* strlen of a string without an end. The decoy asks strnlen. */
SUBJECT_BODY
strlen_of(FunctionCallInfo fcinfo, Twin twin)
{
	int32		size = PG_GETARG_INT32(0);
	MemoryContext old = enter_scratch();
	char	   *before = palloc0(size + 1);
	char	   *string = palloc(twin == OK ? size + 1 : size);

	fill(string, size);
	if (twin == OK)
		string[size] = '\0';
	before[0] = string[0];
	size = twin == DECOY ? strnlen(string, size) : strlen(string);
	leave_scratch(old);
	PG_RETURN_INT32(size);
}
SUBJECT(strlen_of);

/* A string that was freed is formatted by the server. The decoy's format does not read it. */
SUBJECT_BODY
formatted(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	char	   *string = palloc(64);
	StringInfoData out;
	int			read;

	initStringInfo(&out);
	fill(string, 63);
	string[63] = '\0';
	if (twin == OK)
		appendStringInfo(&out, "%s", string);
	pfree(string);
	if (twin == BAD)
		appendStringInfo(&out, "%s", string + 32);
	if (twin == DECOY)
		appendStringInfo(&out, "%.0s", string);
	read = out.len;
	leave_scratch(old);
	PG_RETURN_INT32(read);
}
SUBJECT(formatted);

/* A hash table is searched after its context was deleted. The decoy's is not a child of it. */
SUBJECT_BODY
hash_search_in(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	MemoryContext outer = CurrentMemoryContext;
	HASHCTL		control = {0};
	HTAB	   *table;
	int32		key = PG_GETARG_INT32(0);
	bool		found;

	control.keysize = sizeof(int32);
	control.entrysize = 2 * sizeof(int32);
	control.hcxt = twin == DECOY ? old : CurrentMemoryContext;
	table = hash_create("searched", 8, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	(void) hash_search(table, &key, HASH_ENTER, NULL);
	if (twin == OK)
		(void) hash_search(table, &key, HASH_FIND, &found);
	MemoryContextDeleteChildren(outer);
	if (twin != OK)
		(void) hash_search(table, &key, HASH_FIND, &found);
	if (twin == DECOY)
		hash_destroy(table);
	leave_scratch(old);
	PG_RETURN_BOOL(found);
}
SUBJECT(hash_search_in);

/* qsort calls back with a pointer to what the callback's argument no longer has. The decoy's has. */
static int
by_rank(const void *a, const void *b, void *arg)
{
	const volatile int32 *rank = arg;

	return rank[*(const int32 *) a] - rank[*(const int32 *) b];
}

SUBJECT_BODY
sorted(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	int32		items[16];
	int32	   *ranks = palloc(16 * sizeof(int32));
	int32	   *copy = palloc(16 * sizeof(int32));

	for (int i = 0; i < 16; i++)
	{
		items[i] = i;
		ranks[i] = -i;
	}
	memcpy(copy, ranks, 16 * sizeof(int32));
	if (twin != OK)
		pfree(ranks);
	qsort_arg(items + 4, 12, sizeof(int32), by_rank, twin == DECOY ? copy : ranks);
	leave_scratch(old);
	PG_RETURN_INT32(items[4]);
}
SUBJECT(sorted);
