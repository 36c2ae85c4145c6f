/*-------------------------------------------------------------------------
 *
 * beyond.c
 *		Bugs that are none of memory that was allocated, given back or kept:
 *		NAME_bad with the bug, NAME_ok with its fix.
 *
 * The two are one function with another argument each.  What is overrun has
 * room behind it, so that no server ends by it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

#define LENGTH	64

#define TWINS(name) \
	PG_FUNCTION_INFO_V1(name##_bad); \
	Datum name##_bad(PG_FUNCTION_ARGS) { return name(fcinfo, true); } \
	PG_FUNCTION_INFO_V1(name##_ok); \
	Datum name##_ok(PG_FUNCTION_ARGS) { return name(fcinfo, false); } \
	extern int no_such_variable

/* The length up to the last "x", found by a branch for each byte. */
static pg_noinline int
last_x(const volatile char *bytes, int length)
{
	while (length > 0 && bytes[length - 1] != 'x')
		length--;
	return length;
}

static pg_noinline void
fill(volatile char *bytes, int length)
{
	for (int i = 0; i < length; i++)
		bytes[i] = 'x';
}

/* Bug: the last byte is not filled in. */
static Datum
unwritten(FunctionCallInfo fcinfo, bool is_buggy)
{
	char	   *bytes = palloc(LENGTH);
	int			found;

	fill(bytes, is_buggy ? LENGTH - 1 : LENGTH);
	found = last_x(bytes, LENGTH);
	pfree(bytes);
	PG_RETURN_INT32(found);
}

TWINS(unwritten);

/* Bug: the last byte is not filled in. */
static Datum
heap_unwritten(FunctionCallInfo fcinfo, bool is_buggy)
{
	char	   *bytes = malloc(LENGTH);
	int			found;

	if (bytes == NULL)
		elog(ERROR, "out of memory");
	fill(bytes, is_buggy ? LENGTH - 1 : LENGTH);
	found = last_x(bytes, LENGTH);
	free(bytes);
	PG_RETURN_INT32(found);
}

TWINS(heap_unwritten);

/* Bug: the length is not held to the array's. */
static Datum
stack(FunctionCallInfo fcinfo, bool is_buggy)
{
	int			length = PG_GETARG_INT32(0);
	volatile char behind[LENGTH];
	volatile char array[LENGTH];

	behind[0] = 0;
	fill(array, is_buggy ? length : Min(length, LENGTH));
	PG_RETURN_INT32(last_x(array, LENGTH) + behind[0]);
}

TWINS(stack);

static volatile struct
{
	char		bytes[LENGTH];
}			static_array, static_behind;

/* Bug: the length is not held to the array's. */
static Datum
static_(FunctionCallInfo fcinfo, bool is_buggy)
{
	int			length = PG_GETARG_INT32(0);

	static_behind.bytes[0] = 0;
	fill(static_array.bytes, is_buggy ? length : Min(length, LENGTH));
	PG_RETURN_INT32(last_x(static_array.bytes, LENGTH));
}

PG_FUNCTION_INFO_V1(static_bad);
Datum
static_bad(PG_FUNCTION_ARGS)
{
	return static_(fcinfo, true);
}

PG_FUNCTION_INFO_V1(static_ok);
Datum
static_ok(PG_FUNCTION_ARGS)
{
	return static_(fcinfo, false);
}

typedef struct Record
{
	char		name[LENGTH];
	char		behind[LENGTH];
} Record;

/* Bug: the length is not held to the array's, which is the first of a chunk. */
static Datum
inside(FunctionCallInfo fcinfo, bool is_buggy)
{
	int			length = PG_GETARG_INT32(0);
	Record	   *record = palloc0(sizeof(Record));
	int			found;

	fill(record->name, is_buggy ? length : Min(length, LENGTH));
	found = last_x(record->name, LENGTH);
	pfree(record);
	PG_RETURN_INT32(found);
}

TWINS(inside);
