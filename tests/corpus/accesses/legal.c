/*-------------------------------------------------------------------------
 *
 * legal.c
 *		What is allowed and looks as if it were not, beside the decoys of the
 *		subjects.  None of it is ever to be found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "accesses.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(legal_empty);
PG_FUNCTION_INFO_V1(legal_sizes);
PG_FUNCTION_INFO_V1(legal_contexts);
PG_FUNCTION_INFO_V1(legal_callback);
PG_FUNCTION_INFO_V1(legal_flags);
PG_FUNCTION_INFO_V1(legal_heap);
PG_FUNCTION_INFO_V1(legal_error);

/* Chunks of nothing have addresses, can be enlarged, and are freed. */
Datum
legal_empty(PG_FUNCTION_ARGS)
{
	char	   *a = palloc(0);
	char	   *b = palloc0(0);
	int			distinct = a != b;

	fill(a, 0);
	a = repalloc(a, 10);
	fill(a, 10);
	a = repalloc(a, 0);
	pfree(a);
	pfree(b);
	PG_RETURN_INT32(distinct);
}

/* All of a chunk is the owner's, whatever its size, also after repalloc. */
Datum
legal_sizes(PG_FUNCTION_ARGS)
{
	static const int sizes[] = {1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097,
	8191, 8192, 8193, 100000, 1100000};
	int64		sum = 0;

	for (int i = 0; i < lengthof(sizes); i++)
	{
		char	   *chunk = palloc(sizes[i]);

		fill(chunk, sizes[i]);
		chunk = repalloc(chunk, sizes[i] + 3);
		sum += count_of(chunk, sizes[i], 'x');
		fill(chunk, sizes[i] + 3);
		chunk = repalloc(chunk, sizes[i]);
		sum += count_of(chunk, sizes[i], 'x');
		if (GetMemoryChunkContext(chunk) != CurrentMemoryContext)
			elog(ERROR, "a chunk of %d bytes is in another context", sizes[i]);
		if (GetMemoryChunkSpace(chunk) < (Size) sizes[i])
			elog(ERROR, "a chunk of %d bytes takes %zu", sizes[i], GetMemoryChunkSpace(chunk));
		pfree(chunk);
	}
	PG_RETURN_INT64(sum);
}

/* Every kind of context there is, each reset and used again */
static int64
use(MemoryContext context, int size, bool frees)
{
	char	   *chunks[20];
	int64		sum = 0;

	for (int round = 0; round < 3; round++)
	{
		for (int i = 0; i < lengthof(chunks); i++)
		{
			chunks[i] = MemoryContextAlloc(context, size);
			fill(chunks[i], size);
		}
		for (int i = 0; i < lengthof(chunks); i++)
		{
			sum += count_of(chunks[i], size, 'x');
			if (frees && i % 2 == 0)
				pfree(chunks[i]);
		}
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return sum;
}

Datum
legal_contexts(PG_FUNCTION_ARGS)
{
	MemoryContext parent = CurrentMemoryContext;
	int64		sum = 0;

	sum += use(AllocSetContextCreate(parent, "a set", ALLOCSET_DEFAULT_SIZES), 100, true);
	sum += use(AllocSetContextCreate(parent, "a small set", ALLOCSET_SMALL_SIZES), 1000, true);
	sum += use(GenerationContextCreate(parent, "a generation",
									   ALLOCSET_DEFAULT_MINSIZE, ALLOCSET_DEFAULT_INITSIZE, ALLOCSET_DEFAULT_MAXSIZE),
			   100, true);
	sum += use(SlabContextCreate(parent, "a slab", SLAB_DEFAULT_BLOCK_SIZE, 100), 100, true);
#if PG_VERSION_NUM >= 170000
	sum += use(BumpContextCreate(parent, "a bump", ALLOCSET_DEFAULT_SIZES), 100, false);
#endif
	PG_RETURN_INT64(sum);
}

/* A callback of a reset reads what the context still has. */
static void
read_at_reset(void *arg)
{
	if (count_of(arg, 64, 'x') != 64)
		elog(WARNING, "gone before its time");
}

Datum
legal_callback(PG_FUNCTION_ARGS)
{
	MemoryContext old = enter_scratch();
	char	   *chunk = palloc(64);
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	fill(chunk, 64);
	callback->func = read_at_reset;
	callback->arg = chunk;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	leave_scratch(old);
	PG_RETURN_INT32(1);
}

/* Every way of asking for memory */
Datum
legal_flags(PG_FUNCTION_ARGS)
{
	char	   *chunk = palloc_extended(100, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	int64		sum;

	fill(chunk + 50, 50);
	sum = count_of(chunk, 100, 'x');
	chunk = repalloc_huge(chunk, 3000000);
	fill(chunk + 100, 3000000 - 100);
	sum += count_of(chunk, 3000000, 'x');
	pfree(chunk);
#if PG_VERSION_NUM >= 160000
	for (Size alignment = 16; alignment <= 4096; alignment *= 2)
	{
		chunk = palloc_aligned(100, alignment, 0);
		if ((uintptr_t) chunk % alignment != 0)
			elog(ERROR, "not aligned to %zu", alignment);
		fill(chunk, 100);
		chunk = repalloc(chunk, 200);
		fill(chunk, 200);
		sum += count_of(chunk, 200, 'x');
		pfree(chunk);
	}
#endif
	PG_RETURN_INT64(sum);
}

/* malloc's whole family, with what it allows: NULL, nothing, and all that malloc_usable_size() does not say */
Datum
legal_heap(PG_FUNCTION_ARGS)
{
	char	   *volatile chunk = realloc(NULL, 10);
	void	   *aligned = NULL;
	int64		sum;

	free(NULL);
	fill(chunk, 10);
	chunk = realloc(chunk, 100000);
	fill(chunk, 100000);
	sum = count_of(chunk, 100000, 'x');
	chunk = realloc(chunk, 17);
	fill(chunk, 17);
	free(chunk);
	chunk = calloc(3, 5);
	sum += count_of(chunk, 15, '\0');
	free(chunk);
	if (posix_memalign(&aligned, 64, 100) == 0)
	{
		fill(aligned, 100);
		free(aligned);
	}
	chunk = malloc(0);
	free(chunk);
	chunk = strdup("twelve bytes");
	sum += strlen(chunk);
	free(chunk);
	PG_RETURN_INT64(sum);
}

/* An ERROR takes what was made before it, and what is read afterwards was made outside. */
Datum
legal_error(PG_FUNCTION_ARGS)
{
	char	   *volatile outside = palloc(64);
	MemoryContext old = CurrentMemoryContext;
	int64		sum = 0;

	fill(outside, 64);
	for (int i = 0; i < 3; i++)
	{
		PG_TRY();
		{
			MemoryContext scratch;

			(void) enter_scratch();
			scratch = CurrentMemoryContext;
			fill(palloc(100), 100);
			outside = repalloc(outside, 64 + 100 * (i + 1));
			MemoryContextSwitchTo(old);
			MemoryContextDelete(scratch);
			ereport(ERROR, (errmsg("%s", psprintf("failed for the %dth time", i))));
		}
		PG_CATCH();
		{
			ErrorData  *error;

			MemoryContextSwitchTo(old);
			error = CopyErrorData();
			FlushErrorState();
			sum += strlen(error->message) + count_of(outside, 64, 'x');
			FreeErrorData(error);
		}
		PG_END_TRY();
	}
	pfree(outside);
	PG_RETURN_INT64(sum);
}
