/*-------------------------------------------------------------------------
 *
 * mem_ledger.c
 *		Caches that are full, contexts that are empty or nameless, and arenas.
 *
 * What each function does is said in mem_ledger--1.0.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

PG_MODULE_MAGIC;

#define SLOTS		64
#define ARENA_BYTES (64 * 1024)
#define PIECE_BYTES 100

static void
leak(FunctionCallInfo fcinfo)
{
	int			bytes = PG_GETARG_INT32(1);

	if (bytes > 0)
		(void) MemoryContextAllocZero(TopMemoryContext, bytes);
}

/* The compiler is not to see that it is forgotten. */
void	   *volatile mem_ledger_lost;

static void
leak_malloc(FunctionCallInfo fcinfo)
{
	int			bytes = PG_GETARG_INT32(1);

	if (bytes > 0)
		mem_ledger_lost = malloc(bytes);
}

PG_FUNCTION_INFO_V1(ring);
Datum
ring(PG_FUNCTION_ARGS)
{
	static void *slots[SLOTS];
	static int	next = 0;
	void	  **slot = &slots[next++ % SLOTS];
	void	   *entry = MemoryContextAllocZero(TopMemoryContext, PG_GETARG_INT32(0));

	if (*slot)
		pfree(*slot);
	*slot = entry;
	leak(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(ring_frees_first);
Datum
ring_frees_first(PG_FUNCTION_ARGS)
{
	static void *slots[SLOTS];
	static int	next = 0;
	void	  **slot = &slots[next++ % SLOTS];

	leak(fcinfo);
	if (*slot)
		pfree(*slot);
	*slot = MemoryContextAllocZero(TopMemoryContext, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(ring_of_contexts);
Datum
ring_of_contexts(PG_FUNCTION_ARGS)
{
	static MemoryContext slots[SLOTS];
	static int	next = 0;
	MemoryContext *slot = &slots[next++ % SLOTS];

	if (*slot)
		MemoryContextDelete(*slot);
	*slot = AllocSetContextCreate(TopMemoryContext, "ledger ring", ALLOCSET_SMALL_SIZES);
	(void) MemoryContextAllocZero(*slot, PG_GETARG_INT32(0));
	leak(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(ring_malloc);
Datum
ring_malloc(PG_FUNCTION_ARGS)
{
	static void *slots[SLOTS];
	static int	next = 0;
	void	  **slot = &slots[next++ % SLOTS];

	free(*slot);
	*slot = malloc(PG_GETARG_INT32(0));
	leak_malloc(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(replaced);
Datum
replaced(PG_FUNCTION_ARGS)
{
	static void *kept = NULL;
	void	   *entry = MemoryContextAllocZero(TopMemoryContext, PG_GETARG_INT32(0));

	if (kept)
		pfree(kept);
	kept = entry;
	leak(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(replaced_repalloc);
Datum
replaced_repalloc(PG_FUNCTION_ARGS)
{
	static void *kept = NULL;

	if (kept)
		kept = repalloc(kept, PG_GETARG_INT32(0));
	else
		kept = MemoryContextAllocZero(TopMemoryContext, PG_GETARG_INT32(0));
	leak(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(replaced_context);
Datum
replaced_context(PG_FUNCTION_ARGS)
{
	static MemoryContext kept = NULL;

	if (kept)
		MemoryContextDelete(kept);
	kept = AllocSetContextCreate(TopMemoryContext, "ledger cache", ALLOCSET_DEFAULT_SIZES);
	(void) MemoryContextAllocZero(kept, PG_GETARG_INT32(0));
	leak(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(replaced_reset);
Datum
replaced_reset(PG_FUNCTION_ARGS)
{
	static MemoryContext kept = NULL;

	if (kept)
		MemoryContextReset(kept);
	else
		kept = AllocSetContextCreate(TopMemoryContext, "ledger scratch", ALLOCSET_DEFAULT_SIZES);
	(void) MemoryContextAllocZero(kept, PG_GETARG_INT32(0));
	leak(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(replaced_hash);
Datum
replaced_hash(PG_FUNCTION_ARGS)
{
	static HTAB *kept = NULL;
	HASHCTL		ctl = {.keysize = sizeof(int32), .entrysize = 64, .hcxt = TopMemoryContext};

	if (kept)
		hash_destroy(kept);
	kept = hash_create("ledger hash", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		(void) hash_search(kept, &i, HASH_ENTER, NULL);
	leak(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(replaced_malloc);
Datum
replaced_malloc(PG_FUNCTION_ARGS)
{
	static void *kept = NULL;
	void	   *entry = malloc(PG_GETARG_INT32(0));

	free(kept);
	kept = entry;
	leak_malloc(fcinfo);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(leaks_beside_the_server);
Datum
leaks_beside_the_server(PG_FUNCTION_ARGS)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	HeapTuple	tuple = SearchSysCacheCopy1(TYPEOID, ObjectIdGetDatum(INT4OID));

	/* A tuple is made by heap_copytuple, which is the server's own work here. */
	(void) palloc0(PG_GETARG_INT32(0));
	heap_freetuple(tuple);
	MemoryContextSwitchTo(before);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(empty_contexts);
Datum
empty_contexts(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		(void) AllocSetContextCreate(TopMemoryContext, "ledger empty", ALLOCSET_SMALL_SIZES);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(empty_contexts_ok);
Datum
empty_contexts_ok(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		MemoryContextDelete(AllocSetContextCreate(TopMemoryContext, "ledger empty", ALLOCSET_SMALL_SIZES));
	PG_RETURN_VOID();
}

static MemoryContext
create_named(const char *name)
{
	return AllocSetContextCreateInternal(TopMemoryContext, name, ALLOCSET_SMALL_SIZES);
}

PG_FUNCTION_INFO_V1(freed_name);
Datum
freed_name(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
	{
		char	   *name = pstrdup("ledger freed name");

		(void) create_named(name);
		memset(name, 0x7f, strlen(name));
		pfree(name);
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(freed_name_ok);
Datum
freed_name_ok(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
	{
		char	   *name = pstrdup("ledger freed name");

		MemoryContextDelete(create_named(name));
		pfree(name);
	}
	PG_RETURN_VOID();
}

/*
 * The name lies in memory that the system takes back.
 */
PG_FUNCTION_INFO_V1(unmapped_name);
Datum
unmapped_name(PG_FUNCTION_ARGS)
{
	char	   *name = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (name == MAP_FAILED)
		elog(ERROR, "could not map memory: %m");
	strcpy(name, "ledger unmapped name");
	(void) create_named(name);
	munmap(name, ARENA_BYTES);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(overwritten_name);
Datum
overwritten_name(PG_FUNCTION_ARGS)
{
	static char name[NAMEDATALEN];
	static int	number = 0;

	for (int i = 0; i < PG_GETARG_INT32(0); i++)
	{
		snprintf(name, sizeof(name), "ledger entry %d", number++);
		(void) create_named(name);
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(forgets);
Datum
forgets(PG_FUNCTION_ARGS)
{
	(void) MemoryContextAllocZero(TopMemoryContext, PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

static MemoryContext
create_pile(const char *kind)
{
	MemoryContext parent = CurrentMemoryContext;

	if (strcmp(kind, "aset") == 0)
		return AllocSetContextCreate(parent, "ledger pile", 0, 128 * 1024, 128 * 1024);
	if (strcmp(kind, "keeper") == 0)
		return AllocSetContextCreate(parent, "ledger pile", 128 * 1024, 128 * 1024, 128 * 1024);
	if (strcmp(kind, "slab") == 0)
		return SlabContextCreate(parent, "ledger pile", 128 * 1024, 100);
#if PG_VERSION_NUM >= 170000
	if (strcmp(kind, "bump") == 0)
		return BumpContextCreate(parent, "ledger pile", 128 * 1024, 128 * 1024, 128 * 1024);
#endif
	return GenerationContextCreate(parent, "ledger pile",
#if PG_VERSION_NUM >= 150000
								   128 * 1024, 128 * 1024,
#endif
								   128 * 1024);
}

static void
pile(FunctionCallInfo fcinfo, bool is_deleted)
{
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));

	for (int i = 0; i < PG_GETARG_INT32(1); i++)
	{
		MemoryContext scratch = create_pile(kind);

		(void) MemoryContextAlloc(scratch, 100);
		/* A Slab gives its blocks back, all but a few. */
		if (is_deleted)
			MemoryContextDelete(scratch);
		else if (strcmp(kind, "slab") != 0)
			MemoryContextReset(scratch);
	}
}

PG_FUNCTION_INFO_V1(piles);
Datum
piles(PG_FUNCTION_ARGS)
{
	pile(fcinfo, false);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(piles_ok);
Datum
piles_ok(PG_FUNCTION_ARGS)
{
	pile(fcinfo, true);
	PG_RETURN_VOID();
}

static void *
map_arena(void)
{
	void	   *arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (arena == MAP_FAILED)
		elog(ERROR, "could not map memory: %m");
	return arena;
}

PG_FUNCTION_INFO_V1(arena);
Datum
arena(PG_FUNCTION_ARGS)
{
	static char *next = NULL;
	static char *end = NULL;

	for (int i = 0; i < PG_GETARG_INT32(0); i++)
	{
		if (end - next < PIECE_BYTES)
		{
			next = map_arena();
			end = next + ARENA_BYTES;
		}
		memset(next, 0, PIECE_BYTES);
		next += PIECE_BYTES;
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(arena_ok);
Datum
arena_ok(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		munmap(map_arena(), ARENA_BYTES);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(arena_reused);
Datum
arena_reused(PG_FUNCTION_ARGS)
{
	static char *arena = NULL;

	if (arena == NULL)
		arena = map_arena();
	for (int i = 0; i < Min(PG_GETARG_INT32(0), ARENA_BYTES / PIECE_BYTES); i++)
		memset(arena + i * PIECE_BYTES, 0, PIECE_BYTES);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(replaced_arena);
Datum
replaced_arena(PG_FUNCTION_ARGS)
{
	static void *kept = NULL;

	if (kept)
		munmap(kept, ARENA_BYTES);
	kept = map_arena();
	if (PG_GETARG_INT32(1) > 0)
		(void) map_arena();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(arena_grows);
Datum
arena_grows(PG_FUNCTION_ARGS)
{
	static void *arena = NULL;
	static size_t bytes = ARENA_BYTES;

	if (arena == NULL)
		arena = map_arena();
	else
	{
		arena = mremap(arena, bytes, bytes + ARENA_BYTES, MREMAP_MAYMOVE);
		if (arena == MAP_FAILED)
			elog(ERROR, "could not map memory: %m");
		bytes += ARENA_BYTES;
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(maps_a_file);
Datum
maps_a_file(PG_FUNCTION_ARGS)
{
	int			file = open(my_exec_path, O_RDONLY);

	if (file < 0 || mmap(NULL, ARENA_BYTES, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED)
		elog(ERROR, "could not map the server's file: %m");
	close(file);
	PG_RETURN_VOID();
}
