/*-------------------------------------------------------------------------
 *
 * shared_slots.c
 *		Writes behind segments of shared memory: d19 and others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"

PG_MODULE_MAGIC;

#define SLOTS			16
#define SLOT_BYTES		32
#define COUNTERS		8
#define ITEMS			4
#define ENTRIES			20
#define LINE_BYTES		128
#define PROBED_BYTES	101
#define GIGA_BYTES		((Size) 1024 * 1024 * 1024)

typedef struct Counter
{
	int64		number;
	int64		times;
	int64		last;
} Counter;

typedef struct Square
{
	int64		number;
	int64		square;
} Square;

typedef struct Squares
{
	int64		count;
	Square		items[FLEXIBLE_ARRAY_MEMBER];
} Squares;

/* What the table was made for, and what is put into it. */
typedef struct Entry
{
	int			key;
	int			value;
} Entry;

typedef struct LongEntry
{
	Entry		entry;
	int64		more;
} LongEntry;

void		_PG_init(void);
PGDLLEXPORT void shared_slots_worker(Datum slot);

static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;

static bool giga_is_wanted = false;
static bool is_cleared_too_far = false;

static char *slots = NULL;
static Counter *counters = NULL;
static Squares *items_without = NULL;
static Squares *items_with = NULL;
static char *line = NULL;
static char *block = NULL;
static char *one_byte = NULL;
static char *empty = NULL;
static char *probed = NULL;
static char *giga = NULL;
static HTAB *table = NULL;

static void
slots_request(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(SLOTS * SLOT_BYTES + COUNTERS * sizeof(Counter));
	RequestAddinShmemSpace(hash_estimate_size(ENTRIES, sizeof(Entry)));
	if (giga_is_wanted)
		RequestAddinShmemSpace(GIGA_BYTES);
	RequestNamedLWLockTranche("shared_slots", 1);
}

static void *
segment(const char *name, Size bytes)
{
	bool		found;
	void	   *start = ShmemInitStruct(name, bytes, &found);

	if (!found && !giga_is_wanted)
		memset(start, 0, bytes);
	return start;
}

static void
slots_startup(void)
{
	HASHCTL		info = {0};

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = segment("shared slots", SLOTS * SLOT_BYTES);
	counters = segment("shared counters", COUNTERS * sizeof(Counter));
	items_without = segment("shared items", sizeof(Squares));
	items_with = segment("shared items, all", offsetof(Squares, items) + ITEMS * sizeof(Square));
	line = segment("shared line", LINE_BYTES);
	block = segment("shared block", 1000);
	one_byte = segment("shared byte", 1);
	empty = segment("shared empty", 0);
	probed = segment("shared probed", PROBED_BYTES);
	if (giga_is_wanted)
		giga = segment("shared giga", GIGA_BYTES);
	/* The second time it is found. */
	if (segment("shared slots", SLOTS * SLOT_BYTES) != slots)
		elog(ERROR, "a segment is not found again");
	info.keysize = sizeof(int);
	info.entrysize = sizeof(Entry);
	table = ShmemInitHash("shared table",
#if PG_VERSION_NUM < 190000
						  ENTRIES,
#endif
						  ENTRIES, &info, HASH_ELEM | HASH_BLOBS);
	if (is_cleared_too_far)
		memset(counters, 0, COUNTERS * sizeof(Counter) + 16);
	LWLockRelease(AddinShmemInitLock);
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomBoolVariable("shared_slots.giga", "Whether there is a segment of 1 GB.", NULL,
							 &giga_is_wanted, false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("shared_slots.cleared_too_far", "Whether the counters are cleared too far.", NULL,
							 &is_cleared_too_far, false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	next_request_hook = shmem_request_hook;
	shmem_request_hook = slots_request;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = slots_startup;
}

static void
fill_slot(int slot)
{
	memset(slots + slot * SLOT_BYTES, 'x', SLOT_BYTES);
}

static void
require_slot(int slot)
{
	if (slot < 0 || slot >= SLOTS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no slot %d", slot)));
}

PG_FUNCTION_INFO_V1(d19_bad);
Datum
d19_bad(PG_FUNCTION_ARGS)
{
	fill_slot(PG_GETARG_INT32(0));
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(d19_ok);
Datum
d19_ok(PG_FUNCTION_ARGS)
{
	require_slot(PG_GETARG_INT32(0));
	fill_slot(PG_GETARG_INT32(0));
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

static void
count_in(Counter *counter, int number)
{
	counter->number = number;
	counter->times++;
	counter->last = number;
}

PG_FUNCTION_INFO_V1(remainder_bad);
Datum
remainder_bad(PG_FUNCTION_ARGS)
{
	int			number = PG_GETARG_INT32(0);

	count_in(&counters[number % (COUNTERS + 1)], number);
	PG_RETURN_INT32(number);
}

PG_FUNCTION_INFO_V1(remainder_ok);
Datum
remainder_ok(PG_FUNCTION_ARGS)
{
	int			number = PG_GETARG_INT32(0);

	count_in(&counters[number % COUNTERS], number);
	PG_RETURN_INT32(number);
}

static void
put_item(Squares *items, int number)
{
	Square	   *item = &items->items[number % ITEMS];

	item->number = number;
	item->square = (int64) number * number;
	items->count = ITEMS;
}

PG_FUNCTION_INFO_V1(array_bad);
Datum
array_bad(PG_FUNCTION_ARGS)
{
	put_item(items_without, PG_GETARG_INT32(0));
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(array_ok);
Datum
array_ok(PG_FUNCTION_ARGS)
{
	put_item(items_with, PG_GETARG_INT32(0));
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(text_bad);
Datum
text_bad(PG_FUNCTION_ARGS)
{
	memset(line, 'x', LINE_BYTES);
	line[LINE_BYTES] = '\0';
	PG_RETURN_INT32(LINE_BYTES);
}

PG_FUNCTION_INFO_V1(text_ok);
Datum
text_ok(PG_FUNCTION_ARGS)
{
	memset(line, 'x', LINE_BYTES - 1);
	line[LINE_BYTES - 1] = '\0';
	PG_RETURN_INT32(LINE_BYTES);
}

PG_FUNCTION_INFO_V1(block_bad);
Datum
block_bad(PG_FUNCTION_ARGS)
{
	memset(block + 1008, 'x', 64);
	PG_RETURN_INT32(64);
}

PG_FUNCTION_INFO_V1(block_ok);
Datum
block_ok(PG_FUNCTION_ARGS)
{
	memset(block + 1000 - 64, 'x', 64);
	PG_RETURN_INT32(64);
}

PG_FUNCTION_INFO_V1(behind_bad);
Datum
behind_bad(PG_FUNCTION_ARGS)
{
	one_byte[31] = 'x';
	PG_RETURN_INT32(31);
}

PG_FUNCTION_INFO_V1(behind_ok);
Datum
behind_ok(PG_FUNCTION_ARGS)
{
	one_byte[0] = 'x';
	PG_RETURN_INT32(0);
}

/* The number of bytes was never set. */
PG_FUNCTION_INFO_V1(empty_bad);
Datum
empty_bad(PG_FUNCTION_ARGS)
{
	empty[0] = 'x';
	PG_RETURN_INT32(0);
}

PG_FUNCTION_INFO_V1(empty_ok);
Datum
empty_ok(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(((volatile char *) empty)[0]);
}

/* The element before the first one. */
PG_FUNCTION_INFO_V1(front_bad);
Datum
front_bad(PG_FUNCTION_ARGS)
{
	memset(block - 8, 'x', 8);
	PG_RETURN_INT32(8);
}

PG_FUNCTION_INFO_V1(front_ok);
Datum
front_ok(PG_FUNCTION_ARGS)
{
	memset(block, 'x', 8);
	PG_RETURN_INT32(((volatile char *) block)[-1]);
}

/* So many bytes behind the start of a segment of 128, behind which comes another one's canary, and then that one. */
PG_FUNCTION_INFO_V1(jump_bad);
Datum
jump_bad(PG_FUNCTION_ARGS)
{
	line[PG_GETARG_INT32(0)] = 'x';
	PG_RETURN_INT32(0);
}

/* It writes too far, and then fails. */
PG_FUNCTION_INFO_V1(failing_bad);
Datum
failing_bad(PG_FUNCTION_ARGS)
{
	counters[COUNTERS].number = 1;
	elog(ERROR, "it has failed");
}

PG_FUNCTION_INFO_V1(failing_ok);
Datum
failing_ok(PG_FUNCTION_ARGS)
{
	counters[COUNTERS - 1].number = 1;
	elog(ERROR, "it has failed");
}

PG_FUNCTION_INFO_V1(entry_bad);
Datum
entry_bad(PG_FUNCTION_ARGS)
{
	int			key = PG_GETARG_INT32(0);
	bool		found;
	LongEntry  *entry = hash_search(table, &key, HASH_ENTER, &found);

	entry->more = 1;
	hash_search(table, &key, HASH_REMOVE, &found);
	PG_RETURN_INT32(key);
}

PG_FUNCTION_INFO_V1(entry_ok);
Datum
entry_ok(PG_FUNCTION_ARGS)
{
	int			key = PG_GETARG_INT32(0);
	bool		found;
	Entry	   *entry = hash_search(table, &key, HASH_ENTER, &found);

	entry->value = 1;
	hash_search(table, &key, HASH_REMOVE, &found);
	PG_RETURN_INT32(key);
}

void
shared_slots_worker(Datum slot)
{
	BackgroundWorkerUnblockSignals();
	fill_slot(DatumGetInt32(slot));
}

static void
fill_by_worker(int slot)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	strlcpy(worker.bgw_name, "shared_slots", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "shared_slots", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "shared_slots", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "shared_slots_worker", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(slot);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "no background worker can be started");
	WaitForBackgroundWorkerShutdown(handle);
	pfree(handle);
}

PG_FUNCTION_INFO_V1(worker_bad);
Datum
worker_bad(PG_FUNCTION_ARGS)
{
	fill_by_worker(PG_GETARG_INT32(0));
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(worker_ok);
Datum
worker_ok(PG_FUNCTION_ARGS)
{
	require_slot(PG_GETARG_INT32(0));
	fill_by_worker(PG_GETARG_INT32(0));
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(late_bad);
Datum
late_bad(PG_FUNCTION_ARGS)
{
	char	   *late = segment("shared late", 200);

	late[200] = 'x';
	PG_RETURN_INT32(200);
}

PG_FUNCTION_INFO_V1(late_ok);
Datum
late_ok(PG_FUNCTION_ARGS)
{
	char	   *late = segment("shared late", 200);

	late[199] = 'x';
	PG_RETURN_INT32(199);
}

static void
require_giga(void)
{
	if (giga == NULL)
		elog(ERROR, "there is no segment of 1 GB");
}

PG_FUNCTION_INFO_V1(giga_bad);
Datum
giga_bad(PG_FUNCTION_ARGS)
{
	require_giga();
	giga[GIGA_BYTES] = 'x';
	PG_RETURN_INT32(1);
}

PG_FUNCTION_INFO_V1(giga_ok);
Datum
giga_ok(PG_FUNCTION_ARGS)
{
	require_giga();
	giga[GIGA_BYTES - 1] = 'x';
	PG_RETURN_INT32(1);
}

static int
filled(volatile char *start, Size bytes)
{
	for (Size i = 0; i < bytes; i++)
		start[i] = 'x';
	return start[bytes];
}

PG_FUNCTION_INFO_V1(full_decoy);
Datum
full_decoy(PG_FUNCTION_ARGS)
{
	int			sum = 0;

	sum += filled(slots, SLOTS * SLOT_BYTES);
	sum += filled((char *) counters, COUNTERS * sizeof(Counter));
	sum += filled((char *) items_without, sizeof(Squares));
	sum += filled((char *) items_with, offsetof(Squares, items) + ITEMS * sizeof(Square));
	sum += filled(line, LINE_BYTES);
	sum += filled(block, 1000);
	sum += filled(one_byte, 1);
	PG_RETURN_INT32(sum);
}

PG_FUNCTION_INFO_V1(probed_bad);
Datum
probed_bad(PG_FUNCTION_ARGS)
{
	probed[PROBED_BYTES - 1] = 'x';
	PG_RETURN_INT32(PROBED_BYTES - 1);
}

PG_FUNCTION_INFO_V1(probed_ok);
Datum
probed_ok(PG_FUNCTION_ARGS)
{
	probed[PROBED_BYTES - 2] = 'x';
	PG_RETURN_INT32(PROBED_BYTES - 2);
}

PG_FUNCTION_INFO_V1(asked_again);
Datum
asked_again(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		found;
	void	   *start = ShmemInitStruct(name, PG_GETARG_INT32(1), &found);

	PG_RETURN_BOOL(found && start != NULL);
}
