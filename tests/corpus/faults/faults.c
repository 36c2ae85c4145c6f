/*-------------------------------------------------------------------------
 *
 * faults.c
 *		Faults of every kind, each in a function that does without if it is
 *		told to, and what looks like one and is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

typedef struct Link
{
	char		label[24];
	struct Link *next;
} Link;

/* What the compiler is not to see through */
static void *volatile nothing = NULL;
static volatile int zero = 0;

/* Defines a function that is buggy if its argument is true */
#define FAULT(name) \
	PG_FUNCTION_INFO_V1(name); \
	static int name##_body(bool is_buggy); \
	Datum name(PG_FUNCTION_ARGS) { PG_RETURN_INT32(name##_body(PG_GETARG_BOOL(0))); } \
	static pg_noinline int name##_body(bool is_buggy)

FAULT(faults_null_read)
{
	Link		last = {"last", NULL};
	Link	   *node = is_buggy ? nothing : &last;

	return node->next == NULL ? 1 : 2;
}

FAULT(faults_null_write)
{
	Link		last = {"last", NULL};
	Link	   *node = is_buggy ? nothing : &last;

	node->label[1] = 'o';
	return ((volatile Link *) node)->label[1] == 'o' ? 1 : 2;
}

FAULT(faults_nowhere)
{
	int			(*volatile function) (const char *) = is_buggy ? (int (*) (const char *)) nothing : atoi;

	return function("1");
}

FAULT(faults_no_address)
{
	int			one = 1;
	uintptr_t	address = (uintptr_t) &one;

	if (is_buggy)
		address |= (uintptr_t) 0xabcd << 48;
	return *(volatile int *) address;
}

FAULT(faults_constant_write)
{
	static const char constant[16] = "constant";
	char		variable[16] = "variable";
	volatile char *text = is_buggy ? (volatile char *) constant : (volatile char *) variable;

	text[0] = 'x';
	return text[0] == 'x' ? 1 : 2;
}

static pg_noinline int
descend(int depth)
{
	volatile char room[512];

	room[depth % 512] = 1;
	return depth == 0 ? 1 : descend(depth - 1) + room[depth % 512] - 1;
}

FAULT(faults_recursion)
{
	return descend(is_buggy ? 1 << 30 : 100);
}

FAULT(faults_abort)
{
	if (is_buggy)
		abort();
	return 1;
}

FAULT(faults_assert)
{
	assert(!is_buggy);
	return 1;
}

FAULT(faults_division)
{
	int			by = is_buggy ? zero : 1;

	return (zero + 7) / by > 0 ? 1 : 2;
}

FAULT(faults_trap)
{
	if (is_buggy)
		__builtin_trap();
	return 1;
}

FAULT(faults_beyond_file)
{
	FILE	   *file = tmpfile();
	char	   *mapped;
	int			found;

	if (file == NULL || ftruncate(fileno(file), 4096) != 0)
		elog(ERROR, "no file");
	mapped = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
	fclose(file);
	if (mapped == MAP_FAILED)
		elog(ERROR, "no mapping");
	found = ((volatile char *) mapped)[is_buggy ? 4096 : 4095];
	munmap(mapped, 8192);
	return found + 1;
}

FAULT(faults_exit)
{
	if (is_buggy)
		exit(3);
	return 1;
}

FAULT(faults_exit_at_once)
{
	if (is_buggy)
		_exit(3);
	return 1;
}

FAULT(faults_memcpy)
{
	char		from[64] = "x";
	char	   *to = is_buggy ? nothing : palloc(64);
	volatile Size size = 64;

	memcpy(to, from, size);
	return to[0] == 'x' ? 1 : 2;
}

FAULT(faults_strlen)
{
	const char *text = is_buggy ? nothing : "x";
	size_t		(*volatile length) (const char *) = strlen;

	return (int) length(text);
}

FAULT(faults_in_server)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, is_buggy ? nothing : "x");
	return text.len;
}

FAULT(faults_holding_lock)
{
	int			found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	found = is_buggy ? *(volatile int *) nothing : 1;
	LWLockRelease(AddinShmemInitLock);
	return found;
}

FAULT(faults_critical_section)
{
	int			found;

	START_CRIT_SECTION();
	found = is_buggy ? *(volatile int *) nothing : 1;
	END_CRIT_SECTION();
	return found;
}

PG_FUNCTION_INFO_V1(faults_of_row);
Datum
faults_of_row(PG_FUNCTION_ARGS)
{
	int32		value = PG_GETARG_INT32(0);

	if (value == 0 && IsParallelWorker())
		value = *(volatile int *) nothing;
	PG_RETURN_INT32(value);
}

PG_FUNCTION_INFO_V1(faults_fork);
Datum
faults_fork(PG_FUNCTION_ARGS)
{
	int			status = 0;
	pid_t		child = fork();

	if (child == 0)
		_exit(3);
	waitpid(child, &status, 0);
	PG_RETURN_INT32(WEXITSTATUS(status));
}

static sigjmp_buf back;

static void
serve(int signal)
{
	siglongjmp(back, 1);
}

PG_FUNCTION_INFO_V1(faults_handle);
Datum
faults_handle(PG_FUNCTION_ARGS)
{
	struct sigaction action = {0},
				before;
	volatile int served = 0;

	action.sa_handler = serve;
	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &before);
	if (sigsetjmp(back, 1) == 0)
		served = *(volatile int *) nothing;
	else
		served = 1;
	sigaction(SIGSEGV, &before, NULL);
	PG_RETURN_INT32(served);
}

PGDLLEXPORT void faults_worker_main(Datum main_arg);

void
faults_worker_main(Datum main_arg)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_execute(MyBgworkerEntry->bgw_extra, false, 0);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

PG_FUNCTION_INFO_V1(faults_in_worker);
Datum
faults_in_worker(PG_FUNCTION_ARGS)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "faults", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "faults_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "faults worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "faults worker", BGW_MAXLEN);
	text_to_cstring_buffer(PG_GETARG_TEXT_PP(0), worker.bgw_extra, sizeof(worker.bgw_extra));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "there is no room for another worker");
	if (WaitForBackgroundWorkerShutdown(handle) != BGWH_STOPPED)
		elog(ERROR, "the worker has not ended");
	PG_RETURN_VOID();
}
