/*-------------------------------------------------------------------------
 *
 * shared_dynamic.c
 *		Writes behind segments of dynamic shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "storage/dsm.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif
#include "storage/proc.h"
#include "storage/shm_mq.h"

PG_MODULE_MAGIC;

#define QUEUE_BYTES		1024
#define NAMED_BYTES		100

/* Fills so many bytes of a segment. */
static dsm_segment *
filled(Size size, Size bytes)
{
	dsm_segment *segment = dsm_create(size, 0);

	memset(dsm_segment_address(segment), 'x', bytes);
	return segment;
}

PG_FUNCTION_INFO_V1(past_bad);
Datum
past_bad(PG_FUNCTION_ARGS)
{
	Size		size = PG_GETARG_INT32(0);

	dsm_detach(filled(size, size + 1));
	PG_RETURN_INT32(size);
}

PG_FUNCTION_INFO_V1(past_ok);
Datum
past_ok(PG_FUNCTION_ARGS)
{
	Size		size = PG_GETARG_INT32(0);

	dsm_detach(filled(size, size));
	PG_RETURN_INT32(size);
}

/* Sends a message that goes round the end of the queue. */
static void
with_queue(Size size)
{
	dsm_segment *segment = dsm_create(QUEUE_BYTES, 0);
	shm_mq	   *queue = shm_mq_create(dsm_segment_address(segment), size);
	shm_mq_handle *handle;
	char		message[QUEUE_BYTES];
	Size		bytes = size - 200;

	memset(message, 'x', sizeof(message));
	shm_mq_set_sender(queue, MyProc);
	handle = shm_mq_attach(queue, segment, NULL);
	(void) shm_mq_send(handle, bytes, message, true
#if PG_VERSION_NUM >= 150000
					   ,true
#endif
		);
	shm_mq_detach(handle);
	dsm_detach(segment);
}

PG_FUNCTION_INFO_V1(queue_bad);
Datum
queue_bad(PG_FUNCTION_ARGS)
{
	with_queue(QUEUE_BYTES + 200);
	PG_RETURN_INT32(0);
}

PG_FUNCTION_INFO_V1(queue_ok);
Datum
queue_ok(PG_FUNCTION_ARGS)
{
	with_queue(QUEUE_BYTES);
	PG_RETURN_INT32(0);
}

PG_FUNCTION_INFO_V1(full_decoy);
Datum
full_decoy(PG_FUNCTION_ARGS)
{
	Size		size = PG_GETARG_INT32(0);
	dsm_segment *segment = filled(size, size);
	volatile char *start = dsm_segment_address(segment);
	int			beyond = start[size];

	if (dsm_segment_map_length(segment) != size)
		elog(ERROR, "the segment has another size");
	dsm_detach(segment);
	PG_RETURN_INT32(beyond != 0);
}

static dsm_segment *kept = NULL;

PG_FUNCTION_INFO_V1(keep);
Datum
keep(PG_FUNCTION_ARGS)
{
	kept = dsm_create(PG_GETARG_INT32(0), 0);
	dsm_pin_mapping(kept);
	dsm_pin_segment(kept);
	PG_RETURN_INT64(dsm_segment_handle(kept));
}

/* Attached where it is not. */
PG_FUNCTION_INFO_V1(kept_length);
Datum
kept_length(PG_FUNCTION_ARGS)
{
	if (kept == NULL)
	{
		kept = dsm_attach((dsm_handle) PG_GETARG_INT64(0));
		if (kept == NULL)
			elog(ERROR, "there is no such segment");
		dsm_pin_mapping(kept);
	}
	PG_RETURN_INT64(dsm_segment_map_length(kept));
}

PG_FUNCTION_INFO_V1(kept_write);
Datum
kept_write(PG_FUNCTION_ARGS)
{
	((char *) dsm_segment_address(kept))[PG_GETARG_INT32(0)] = 'x';
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(give_back);
Datum
give_back(PG_FUNCTION_ARGS)
{
	dsm_unpin_segment((dsm_handle) PG_GETARG_INT64(0));
	dsm_detach(kept);
	kept = NULL;
	PG_RETURN_VOID();
}

static char *
named(Size size, bool *found)
{
#if PG_VERSION_NUM >= 190000
	return GetNamedDSMSegment("shared named", size, NULL, found, NULL);
#elif PG_VERSION_NUM >= 170000
	return GetNamedDSMSegment("shared named", size, NULL, found);
#else
	elog(ERROR, "segments have no names");
#endif
}

PG_FUNCTION_INFO_V1(named_write);
Datum
named_write(PG_FUNCTION_ARGS)
{
	bool		found;

	named(NAMED_BYTES, &found)[PG_GETARG_INT32(0)] = 'x';
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

PG_FUNCTION_INFO_V1(named_size);
Datum
named_size(PG_FUNCTION_ARGS)
{
	bool		found;

	(void) named(PG_GETARG_INT32(0), &found);
	PG_RETURN_BOOL(found);
}
