/*-------------------------------------------------------------------------
 *
 * shortage.c
 *		Work in a session that has little memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(address_space);
PG_FUNCTION_INFO_V1(fill);
PG_FUNCTION_INFO_V1(release);
PG_FUNCTION_INFO_V1(leak);
PG_FUNCTION_INFO_V1(leak_heap);
PG_FUNCTION_INFO_V1(contexts);
PG_FUNCTION_INFO_V1(other_context);
PG_FUNCTION_INFO_V1(leak_in_workers);

/* Pages that are mapped, the first number of /proc/self/statm */
static long
mapped_pages(void)
{
	FILE	   *file = fopen("/proc/self/statm", "r");
	long		pages = 0;

	if (file != NULL)
	{
		if (fscanf(file, "%ld", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages;
}

Datum
address_space(PG_FUNCTION_ARGS)
{
	int32		megabytes = PG_GETARG_INT32(0);
	long		pages = mapped_pages();
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) != 0)
		elog(ERROR, "could not read the limit: %m");
	limit.rlim_cur = megabytes > 0 ? (rlim_t) megabytes << 20 : limit.rlim_max;
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		elog(ERROR, "could not set the limit: %m");
	PG_RETURN_INT32((int32) (pages * 4096 >> 20));
}

/* A chunk of what fills the heap */
typedef struct Filler
{
	struct Filler *next;
} Filler;

static Filler *fillers = NULL;

static void
push(Filler **list, Filler *filler)
{
	if (filler != NULL)
	{
		filler->next = *list;
		*list = filler;
	}
}

static void
free_all(Filler **list)
{
	while (*list != NULL)
	{
		Filler	   *next = (*list)->next;

		free(*list);
		*list = next;
	}
}

Datum
fill(PG_FUNCTION_ARGS)
{
	Filler	   *spare = NULL;

	/* In pieces of which the server takes its blocks */
	for (int32 piece = 0; piece < PG_GETARG_INT32(0) / 8; piece++)
		push(&spare, malloc(8192));
	for (Size size = (Size) 4 << 20; size >= sizeof(Filler);)
	{
		Filler	   *filler = malloc(size);

		if (filler == NULL)
		{
			size /= 2;
			continue;
		}
		push(&fillers, filler);
	}
	free_all(&spare);
	PG_RETURN_VOID();
}

Datum
release(PG_FUNCTION_ARGS)
{
	free_all(&fillers);
	PG_RETURN_VOID();
}

Datum
leak(PG_FUNCTION_ARGS)
{
	for (int32 i = 0; i < PG_GETARG_INT32(1); i++)
		MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

/* What malloc has last given; nobody frees it. */
static void *volatile last_chunk;

Datum
leak_heap(PG_FUNCTION_ARGS)
{
	for (int32 i = 0; i < PG_GETARG_INT32(1); i++)
		last_chunk = malloc(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

Datum
contexts(PG_FUNCTION_ARGS)
{
	for (int32 i = 0; i < PG_GETARG_INT32(0); i++)
		AllocSetContextCreate(TopMemoryContext, "left by shortage", ALLOCSET_SMALL_SIZES);
	PG_RETURN_VOID();
}

Datum
other_context(PG_FUNCTION_ARGS)
{
	MemoryContextSwitchTo(TopMemoryContext);
	PG_RETURN_VOID();
}

Datum
leak_in_workers(PG_FUNCTION_ARGS)
{
	MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0));
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}
