/*-------------------------------------------------------------------------
 *
 * crash.c
 *		Processes that end as none should, in every way and at every moment.
 *		With 'nothing' they do not.
 *
 *		crash.at_load says how a process ends that loads the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
PGDLLEXPORT void crash_worker_main(Datum main_arg);

PG_FUNCTION_INFO_V1(crash_now);
PG_FUNCTION_INFO_V1(crash_later);
PG_FUNCTION_INFO_V1(crash_worker);

typedef struct WorkerArgs
{
	char		how[32];
	int			delay;
} WorkerArgs;

static char *at_load = NULL;
static char at_planner[32] = "";
static char at_abort[32] = "";
static char at_shmem_exit[32] = "";
static char at_proc_exit[32] = "";
static planner_hook_type prev_planner = NULL;

static void
crash(const char *how)
{
	if (strcmp(how, "segfault") == 0)
		*(volatile int *) NULL = 0;
	else if (strcmp(how, "abort") == 0)
		abort();
	else if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(how, "panic") == 0)
		elog(PANIC, "crash was asked for");
	else if (strcmp(how, "fatal") == 0)
		elog(FATAL, "crash was asked for");
	else if (strcmp(how, "exit") == 0)
		exit(1);
	else if (strcmp(how, "exit_0") == 0)
		exit(0);
	else if (strcmp(how, "_exit") == 0)
		_exit(2);
	else if (strcmp(how, "_exit_0") == 0)
		_exit(0);
	else if (strcmp(how, "nothing") != 0 && how[0] != '\0')
		elog(ERROR, "there is no way to crash called \"%s\"", how);
}

#if PG_VERSION_NUM >= 190000
#define AND_EXPLAIN		, ExplainState *explain
#define WITH_EXPLAIN	, explain
#else
#define AND_EXPLAIN
#define WITH_EXPLAIN
#endif

static PlannedStmt *
crash_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo params AND_EXPLAIN)
{
	crash(at_planner);
	return prev_planner ? prev_planner(parse, query_string, cursor_options, params WITH_EXPLAIN)
		: standard_planner(parse, query_string, cursor_options, params WITH_EXPLAIN);
}

static void
crash_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		crash(at_abort);
}

static void
crash_shmem_exit(int code, Datum arg)
{
	crash(at_shmem_exit);
}

static void
crash_proc_exit(int code, Datum arg)
{
	crash(at_proc_exit);
}

void
_PG_init(void)
{
	DefineCustomStringVariable("crash.at_load", "How a process ends that loads the library.",
							   NULL, &at_load, "nothing", PGC_SUSET, 0, NULL, NULL, NULL);
	crash(at_load);
	prev_planner = planner_hook;
	planner_hook = crash_planner;
	RegisterXactCallback(crash_xact, NULL);
}

Datum
crash_now(PG_FUNCTION_ARGS)
{
	crash(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

Datum
crash_later(PG_FUNCTION_ARGS)
{
	char	   *when = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *how = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (strcmp(when, "planner") == 0)
		strlcpy(at_planner, how, sizeof(at_planner));
	else if (strcmp(when, "abort") == 0)
		strlcpy(at_abort, how, sizeof(at_abort));
	else if (strcmp(when, "shmem_exit") == 0)
	{
		if (at_shmem_exit[0] == '\0')
			before_shmem_exit(crash_shmem_exit, (Datum) 0);
		strlcpy(at_shmem_exit, how, sizeof(at_shmem_exit));
	}
	else if (strcmp(when, "proc_exit") == 0)
	{
		if (at_proc_exit[0] == '\0')
			on_proc_exit(crash_proc_exit, (Datum) 0);
		strlcpy(at_proc_exit, how, sizeof(at_proc_exit));
	}
	else
		elog(ERROR, "there is no moment called \"%s\"", when);
	PG_RETURN_VOID();
}

void
crash_worker_main(Datum main_arg)
{
	WorkerArgs	args;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	BackgroundWorkerUnblockSignals();
	pg_usleep(args.delay * 1000L);
	crash(args.how);
}

Datum
crash_worker(PG_FUNCTION_ARGS)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	WorkerArgs	args = {0};
	pid_t		pid;

	text_to_cstring_buffer(PG_GETARG_TEXT_PP(0), args.how, sizeof(args.how));
	args.delay = PG_GETARG_INT32(1);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "crash", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "crash_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "crash worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "crash worker", BGW_MAXLEN);
	memcpy(worker.bgw_extra, &args, sizeof(args));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "there is no room for another worker");
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		pid = 0;
	PG_RETURN_INT32(pid);
}
