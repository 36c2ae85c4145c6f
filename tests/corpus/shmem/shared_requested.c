/*-------------------------------------------------------------------------
 *
 * shared_requested.c
 *		Writes behind shared memory that is asked for as PostgreSQL 19 has it:
 *		by functions that the server calls.  Older ones are asked as they are
 *		asked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/hsearch.h"

PG_MODULE_MAGIC;

#define PLAIN_BYTES		1000
#define LINE_BYTES		256
#define PAGE_BYTES		100
#define ENTRIES			20
#define PARTS			16
#define LATE_BYTES		200

typedef struct Entry
{
	int			key;
	int			value;
} Entry;

void		_PG_init(void);

/* How far behind its end a segment is filled when the server starts. */
static int	filled_too_far = 0;

static char *plain = NULL;
static char *line = NULL;
static char *page = NULL;
static HTAB *table = NULL;
static HTAB *parts = NULL;
static char *late = NULL;
static char *pair_first = NULL;
static char *pair_last = NULL;

#if PG_VERSION_NUM >= 190000
static void
requested(void *argument)
{
	ShmemRequestStruct(.name = "requested plain", .size = PLAIN_BYTES, .ptr = (void **) &plain);
	ShmemRequestStruct(.name = "requested line", .size = LINE_BYTES, .ptr = (void **) &line);
	/* Begins where a page does. */
	ShmemRequestStruct(.name = "requested page", .size = PAGE_BYTES, .alignment = 4096,
					   .ptr = (void **) &page);
	/* Nobody wants to know where it is. */
	ShmemRequestStruct(.name = "requested and left", .size = PLAIN_BYTES);
	/* So long a name that there is no room for more behind it. */
	ShmemRequestStruct(.name = "requested under a name of forty-seven letters..", .size = PLAIN_BYTES);
	ShmemRequestStruct(.name = "requested under a name of forty-seven letters.!", .size = PLAIN_BYTES);
	ShmemRequestHash(.name = "requested table", .nelems = ENTRIES, .ptr = &table,
					 .hash_info.keysize = sizeof(int),
					 .hash_info.entrysize = sizeof(Entry),
					 .hash_flags = HASH_ELEM | HASH_BLOBS);
	ShmemRequestHash(.name = "requested parts", .nelems = ENTRIES, .ptr = &parts,
					 .hash_info.keysize = sizeof(int),
					 .hash_info.entrysize = sizeof(Entry),
					 .hash_info.num_partitions = PARTS,
					 .hash_flags = HASH_ELEM | HASH_BLOBS | HASH_PARTITION);
}

static void
made(void *argument)
{
	memset(plain, 'x', PLAIN_BYTES + filled_too_far);
}

static const ShmemCallbacks callbacks = {
	.request_fn = requested,
	.init_fn = made,
};

static void
late_requested(void *argument)
{
	ShmemRequestStruct(.name = "requested late", .size = LATE_BYTES, .ptr = (void **) &late);
}

static void
pair_requested(void *argument)
{
	ShmemRequestStruct(.name = "requested pair, first", .size = LATE_BYTES, .ptr = (void **) &pair_first);
	ShmemRequestStruct(.name = "requested pair, last", .size = LATE_BYTES, .ptr = (void **) &pair_last);
}

static void
ask_late(void)
{
	static const ShmemCallbacks callbacks = {
		.flags = SHMEM_CALLBACKS_ALLOW_AFTER_STARTUP,
		.request_fn = late_requested,
	};

	RegisterShmemCallbacks(&callbacks);
}

static void
ask_pair(void)
{
	static const ShmemCallbacks callbacks = {
		.flags = SHMEM_CALLBACKS_ALLOW_AFTER_STARTUP,
		.request_fn = pair_requested,
	};

	RegisterShmemCallbacks(&callbacks);
}
#else
static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;

static void
requested(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(PLAIN_BYTES + LINE_BYTES + PAGE_BYTES);
	RequestAddinShmemSpace(2 * hash_estimate_size(ENTRIES, sizeof(Entry)));
}

static void
made(void)
{
	HASHCTL		info = {0};
	bool		found;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	plain = ShmemInitStruct("requested plain", PLAIN_BYTES, &found);
	line = ShmemInitStruct("requested line", LINE_BYTES, &found);
	page = ShmemInitStruct("requested page", PAGE_BYTES, &found);
	info.keysize = sizeof(int);
	info.entrysize = sizeof(Entry);
	table = ShmemInitHash("requested table", ENTRIES, ENTRIES, &info, HASH_ELEM | HASH_BLOBS);
	info.num_partitions = PARTS;
	parts = ShmemInitHash("requested parts", ENTRIES, ENTRIES, &info,
						  HASH_ELEM | HASH_BLOBS | HASH_PARTITION);
	memset(plain, 'x', PLAIN_BYTES + filled_too_far);
	LWLockRelease(AddinShmemInitLock);
}

static void
ask_late(void)
{
	bool		found;

	late = ShmemInitStruct("requested late", LATE_BYTES, &found);
}

static void
ask_pair(void)
{
	bool		found;

	pair_first = ShmemInitStruct("requested pair, first", LATE_BYTES, &found);
	pair_last = ShmemInitStruct("requested pair, last", LATE_BYTES, &found);
}
#endif

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("shared_requested.filled_too_far",
							"How far behind its end a segment is filled.", NULL,
							&filled_too_far, 0, 0, 16, PGC_POSTMASTER, 0, NULL, NULL, NULL);
#if PG_VERSION_NUM >= 190000
	RegisterShmemCallbacks(&callbacks);
#else
	next_request_hook = shmem_request_hook;
	shmem_request_hook = requested;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = made;
#endif
}

/* The byte behind the end, or the last one. */
static void
write_last(char *start, Size bytes, bool is_bad)
{
	start[is_bad ? bytes : bytes - 1] = 'x';
}

PG_FUNCTION_INFO_V1(requested_plain_bad);
Datum
requested_plain_bad(PG_FUNCTION_ARGS)
{
	write_last(plain, PLAIN_BYTES, true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_plain_ok);
Datum
requested_plain_ok(PG_FUNCTION_ARGS)
{
	write_last(plain, PLAIN_BYTES, false);
	PG_RETURN_VOID();
}

/* The element before the first one. */
PG_FUNCTION_INFO_V1(requested_front_bad);
Datum
requested_front_bad(PG_FUNCTION_ARGS)
{
	line[-8] = 'x';
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_line_bad);
Datum
requested_line_bad(PG_FUNCTION_ARGS)
{
	write_last(line, LINE_BYTES, true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_line_ok);
Datum
requested_line_ok(PG_FUNCTION_ARGS)
{
	line[0] = 'x';
	write_last(line, LINE_BYTES, false);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_page_bad);
Datum
requested_page_bad(PG_FUNCTION_ARGS)
{
	write_last(page, PAGE_BYTES, true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_page_ok);
Datum
requested_page_ok(PG_FUNCTION_ARGS)
{
	write_last(page, PAGE_BYTES, false);
	PG_RETURN_VOID();
}

static Entry *
enter(HTAB *where, int key)
{
	bool		found;

	return hash_search(where, &key, HASH_ENTER, &found);
}

/* The first entry is the last of the elements, and nothing comes behind it. */
PG_FUNCTION_INFO_V1(requested_table_bad);
Datum
requested_table_bad(PG_FUNCTION_ARGS)
{
	int			key = 1;

	write_last((char *) enter(table, key), sizeof(Entry), true);
	(void) hash_search(table, &key, HASH_REMOVE, NULL);
	PG_RETURN_VOID();
}

static void
fill(HTAB *where)
{
	for (int key = 0; key < ENTRIES; key++)
		write_last((char *) enter(where, key), sizeof(Entry), false);
	for (int key = 0; key < ENTRIES; key++)
		(void) hash_search(where, &key, HASH_REMOVE, NULL);
}

PG_FUNCTION_INFO_V1(requested_table_ok);
Datum
requested_table_ok(PG_FUNCTION_ARGS)
{
	fill(table);
	fill(parts);
	PG_RETURN_VOID();
}

/* At its first call in a session it asks. */
static void
late_write(bool is_bad)
{
	if (late == NULL)
		ask_late();
	write_last(late, LATE_BYTES, is_bad);
}

PG_FUNCTION_INFO_V1(requested_late_bad);
Datum
requested_late_bad(PG_FUNCTION_ARGS)
{
	late_write(true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_late_ok);
Datum
requested_late_ok(PG_FUNCTION_ARGS)
{
	late_write(false);
	PG_RETURN_VOID();
}

/* The same of two that are asked for at once. */
static void
pair_write(bool first_is_bad, bool last_is_bad)
{
	if (pair_last == NULL)
		ask_pair();
	write_last(pair_first, LATE_BYTES, first_is_bad);
	write_last(pair_last, LATE_BYTES, last_is_bad);
}

PG_FUNCTION_INFO_V1(requested_first_bad);
Datum
requested_first_bad(PG_FUNCTION_ARGS)
{
	pair_write(true, false);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_last_bad);
Datum
requested_last_bad(PG_FUNCTION_ARGS)
{
	pair_write(false, true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(requested_pair_ok);
Datum
requested_pair_ok(PG_FUNCTION_ARGS)
{
	pair_write(false, false);
	PG_RETURN_VOID();
}
