/*-------------------------------------------------------------------------
 *
 * dsm.c
 *		Segments of dynamic shared memory that outlive their use: d20.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "storage/dsm.h"

/*
 * d20: a segment is pinned, so that it survives the session, and its handle is
 * forgotten.
 */
PG_FUNCTION_INFO_V1(d20_bad);
Datum
d20_bad(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_create(PG_GETARG_INT32(0) * (Size) 1024, 0);

	dsm_pin_segment(segment);
	dsm_detach(segment);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(d20_ok);
Datum
d20_ok(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_create(PG_GETARG_INT32(0) * (Size) 1024, 0);
	dsm_handle	handle = dsm_segment_handle(segment);

	dsm_pin_segment(segment);
	dsm_detach(segment);
	dsm_unpin_segment(handle);
	PG_RETURN_VOID();
}

/* The mapping is pinned, so that it is there until the session ends. */
PG_FUNCTION_INFO_V1(d20_mapped_bad);
Datum
d20_mapped_bad(PG_FUNCTION_ARGS)
{
	dsm_pin_mapping(dsm_create(PG_GETARG_INT32(0) * (Size) 1024, 0));
	PG_RETURN_VOID();
}

/*
 * Not pinned, it would go away with the transaction, but not without the
 * server's complaining of it.
 */
PG_FUNCTION_INFO_V1(d20_mapped_ok);
Datum
d20_mapped_ok(PG_FUNCTION_ARGS)
{
	dsm_detach(dsm_create(PG_GETARG_INT32(0) * (Size) 1024, 0));
	PG_RETURN_VOID();
}
