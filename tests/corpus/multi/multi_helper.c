#include "multi.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(helper_bad);
PG_FUNCTION_INFO_V1(helper_ok);

Datum
helper_bad(PG_FUNCTION_ARGS)
{
	keep();
	PG_RETURN_VOID();
}

Datum
helper_ok(PG_FUNCTION_ARGS)
{
	use();
	PG_RETURN_VOID();
}
