/*-------------------------------------------------------------------------
 *
 * abort.c
 *		Memory that is released on success only: d11, d12.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/memutils.h"

#define D11_BYTES		4096

/* Fails where mode is 0, with a message made in the buffer. */
static int
d11_work(char *buffer, int32 mode)
{
	snprintf(buffer, D11_BYTES, "mode %d", mode);
	if (mode == 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not work in %s", buffer)));
	return strlen(buffer);
}

static char *
d11_check(char *buffer)
{
	if (buffer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return buffer;
}

/*
 * d11: an error goes past the free() of memory that no context owns.
 */
PG_FUNCTION_INFO_V1(d11_bad);
Datum
d11_bad(PG_FUNCTION_ARGS)
{
	int32		mode = PG_GETARG_INT32(0);
	char	   *buffer = d11_check(malloc(D11_BYTES));
	int			result = d11_work(buffer, mode);

	free(buffer);
	PG_RETURN_INT32(result);
}

PG_FUNCTION_INFO_V1(d11_ok);
Datum
d11_ok(PG_FUNCTION_ARGS)
{
	int32		mode = PG_GETARG_INT32(0);
	char	   *buffer = d11_check(malloc(D11_BYTES));
	volatile int result = 0;

	PG_TRY();
	{
		result = d11_work(buffer, mode);
	}
	PG_FINALLY();
	{
		free(buffer);
	}
	PG_END_TRY();
	PG_RETURN_INT32(result);
}

/*
 * d12: entries that a subtransaction owns are dropped when it commits and
 * forgotten when it rolls back, so they stay until the whole transaction ends.
 */

typedef struct D12Entry
{
	struct D12Entry *next;
	SubTransactionId subid;
} D12Entry;

static D12Entry *d12_bad_entries = NULL;
static D12Entry *d12_ok_entries = NULL;

/* An entry of n bytes, its header included */
static int32
d12_size(int32 n)
{
	if (n < (int32) sizeof(D12Entry))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an entry has at least %d bytes", (int) sizeof(D12Entry))));
	return n;
}

static void
d12_push(D12Entry **entries, D12Entry *entry)
{
	entry->subid = GetCurrentSubTransactionId();
	entry->next = *entries;
	*entries = entry;
}

static void
d12_drop(D12Entry **entries, SubTransactionId subid)
{
	while (*entries != NULL)
	{
		D12Entry   *entry = *entries;

		if (entry->subid == subid)
		{
			*entries = entry->next;
			pfree(entry);
		}
		else
			entries = &entry->next;
	}
}

/* The entries themselves go with TopTransactionContext. */
static void
d12_at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
	{
		d12_bad_entries = NULL;
		d12_ok_entries = NULL;
	}
}

static void
d12_bad_at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
					   SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		d12_drop(&d12_bad_entries, mySubid);
}

static void
d12_ok_at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
					  SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB)
		d12_drop(&d12_ok_entries, mySubid);
}

static void
d12_register(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(d12_at_xact_end, NULL);
	RegisterSubXactCallback(d12_bad_at_subxact_end, NULL);
	RegisterSubXactCallback(d12_ok_at_subxact_end, NULL);
	registered = true;
}

PG_FUNCTION_INFO_V1(d12_bad);
Datum
d12_bad(PG_FUNCTION_ARGS)
{
	int32		n = d12_size(PG_GETARG_INT32(0));

	d12_register();
	d12_push(&d12_bad_entries, MemoryContextAllocZero(TopTransactionContext, n));
	PG_RETURN_INT32(n);
}

PG_FUNCTION_INFO_V1(d12_ok);
Datum
d12_ok(PG_FUNCTION_ARGS)
{
	int32		n = d12_size(PG_GETARG_INT32(0));

	d12_register();
	d12_push(&d12_ok_entries, MemoryContextAllocZero(TopTransactionContext, n));
	PG_RETURN_INT32(n);
}
