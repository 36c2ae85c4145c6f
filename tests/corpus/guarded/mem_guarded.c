/*-------------------------------------------------------------------------
 *
 * mem_guarded.c
 *		Bad accesses in each kind of memory context, and to what was given
 *		back a while ago.
 *
 * NAME_bad is wrong, NAME_ok is its fix, NAME_decoy looks like it and is
 * allowed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

#define SIZE	40

typedef enum Twin
{
	BAD,
	OK,
	DECOY,
} Twin;

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

static MemoryContext
context_of_kind(const char *kind, Size *size)
{
	*size = SIZE;
	if (strcmp(kind, "generation") == 0)
#if PG_VERSION_NUM >= 150000
		return GenerationContextCreate(CurrentMemoryContext, "guarded generation", ALLOCSET_DEFAULT_SIZES);
#endif
	if (strcmp(kind, "slab") == 0)
	{
		*size = SIZE + 1;
		return SlabContextCreate(CurrentMemoryContext, "guarded slab", SLAB_DEFAULT_BLOCK_SIZE, *size);
	}
#if PG_VERSION_NUM >= 170000
	if (strcmp(kind, "bump") == 0)
		return BumpContextCreate(CurrentMemoryContext, "guarded bump", ALLOCSET_DEFAULT_SIZES);
#endif
	return AllocSetContextCreate(CurrentMemoryContext, "guarded allocset", ALLOCSET_DEFAULT_SIZES);
}

/* The fix writes less. The decoy fills the chunk to its end. */
static Datum
overrun_in(FunctionCallInfo fcinfo, Twin twin)
{
	Size		size;
	MemoryContext context = context_of_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)), &size);
	int			by = PG_GETARG_INT32(1);
	volatile char *chunk = MemoryContextAlloc(context, size);
	volatile char *other = MemoryContextAlloc(context, size);

	for (Size i = 0; i < size; i++)
		other[i] = chunk[i] = 'x';
	for (int i = 0; i < by; i++)
		chunk[twin == BAD ? size + i : twin == OK ? i : size - 1 - i] = 'y';
	MemoryContextDelete(context);
	PG_RETURN_INT32(by);
}
SUBJECT(overrun_in);

static MemoryContext
scratch(const char *name)
{
	return AllocSetContextCreateInternal(CurrentMemoryContext, name, ALLOCSET_DEFAULT_SIZES);
}

/* The fix writes before it frees. The decoy writes to another chunk. */
static Datum
freed_write(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext context = scratch("guarded freed");
	int			at = PG_GETARG_INT32(0);
	volatile char *chunk = MemoryContextAlloc(context, SIZE);
	volatile char *other = MemoryContextAlloc(context, 2 * SIZE);

	if (twin == OK)
		chunk[0] = 'x';
	pfree((void *) chunk);
	if (twin == BAD)
		chunk[at] = 'x';
	if (twin == DECOY)
		other[at < 0 ? -at : at] = 'x';
	MemoryContextDelete(context);
	PG_RETURN_INT32(at);
}
SUBJECT(freed_write);

static Datum
heap_freed_write(FunctionCallInfo fcinfo, Twin twin)
{
	int			at = PG_GETARG_INT32(0);
	volatile char *chunk = malloc(SIZE);
	volatile char *other = malloc(SIZE);

	chunk[0] = other[0] = 'x';
	if (twin == OK)
		chunk[at] = 'x';
	free((void *) chunk);
	if (twin == BAD)
		chunk[at] = 'x';
	if (twin == DECOY)
		other[at] = 'x';
	free((void *) other);
	PG_RETURN_INT32(at);
}
SUBJECT(heap_freed_write);

typedef struct Holder
{
	volatile char *chunk;
} Holder;

/* The fix sets the copy to NULL as well. The decoy's copy is of another chunk. */
static Datum
moved_write(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext context = scratch("guarded moved");
	Holder	   *one = MemoryContextAlloc(context, sizeof(Holder));
	Holder	   *two = MemoryContextAlloc(context, sizeof(Holder));

	one->chunk = MemoryContextAlloc(context, SIZE);
	two->chunk = twin == DECOY ? MemoryContextAlloc(context, SIZE) : one->chunk;
	pfree((void *) one->chunk);
	one->chunk = NULL;
	if (twin == OK)
		two->chunk = NULL;
	if (two->chunk)
		two->chunk[0] = 'x';
	MemoryContextReset(context);
	MemoryContextDelete(context);
	PG_RETURN_INT32(1);
}
SUBJECT(moved_write);

/* The fix does not free it. The decoy allocates it anew. */
static Datum
grown_again(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext context = scratch("guarded grown");
	char	   *volatile chunk = MemoryContextAlloc(context, SIZE);

	if (twin != OK)
		pfree(chunk);
	if (twin == DECOY)
		chunk = MemoryContextAlloc(context, SIZE);
	chunk = repalloc(chunk, 10 * SIZE);
	memset(chunk, 'x', 10 * SIZE);
	pfree(chunk);
	MemoryContextDelete(context);
	PG_RETURN_INT32(1);
}
SUBJECT(grown_again);

/* The fix calls repalloc. The decoy has it from malloc. */
static Datum
grown_by_realloc(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext context = scratch("guarded crossed");
	char	   *volatile chunk = twin == DECOY ? malloc(SIZE) : MemoryContextAlloc(context, SIZE);

	chunk = twin == OK ? repalloc(chunk, 10 * SIZE) : realloc(chunk, 10 * SIZE);
	memset(chunk, 'x', 10 * SIZE);
	if (twin == DECOY)
		free(chunk);
	MemoryContextDelete(context);
	PG_RETURN_INT32(1);
}
SUBJECT(grown_by_realloc);

static MemoryContext kept_context;
static volatile char *kept;

PG_FUNCTION_INFO_V1(keep_freed);
Datum
keep_freed(PG_FUNCTION_ARGS)
{
	if (kept_context == NULL)
		kept_context = AllocSetContextCreate(TopMemoryContext, "guarded kept", ALLOCSET_DEFAULT_SIZES);
	kept = MemoryContextAlloc(kept_context, SIZE);
	pfree((void *) kept);
	PG_RETURN_INT32(1);
}

PG_FUNCTION_INFO_V1(write_kept);
Datum
write_kept(PG_FUNCTION_ARGS)
{
	kept[0] = 'x';
	PG_RETURN_INT32(1);
}

PG_FUNCTION_INFO_V1(churn);
Datum
churn(PG_FUNCTION_ARGS)
{
	int			times = PG_GETARG_INT32(0);

	for (int i = 0; i < times; i++)
		pfree(palloc(i % 500));
	PG_RETURN_INT32(times);
}
