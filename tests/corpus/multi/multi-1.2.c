/* The library whose name has the release in it, which loads another one by itself. */
#include "multi.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(main_bad);
PG_FUNCTION_INFO_V1(main_ok);
PG_FUNCTION_INFO_V1(tsl_bad);
PG_FUNCTION_INFO_V1(tsl_ok);

Datum
main_bad(PG_FUNCTION_ARGS)
{
	keep();
	PG_RETURN_VOID();
}

Datum
main_ok(PG_FUNCTION_ARGS)
{
	use();
	PG_RETURN_VOID();
}

static void
call_tsl(const char *function)
{
	void		(*called) (void);

	called = (void (*) (void)) load_external_function("$libdir/multi-tsl-1.2", function, true, NULL);
	called();
}

Datum
tsl_bad(PG_FUNCTION_ARGS)
{
	call_tsl("multi_tsl_keep");
	PG_RETURN_VOID();
}

Datum
tsl_ok(PG_FUNCTION_ARGS)
{
	call_tsl("multi_tsl_use");
	PG_RETURN_VOID();
}
