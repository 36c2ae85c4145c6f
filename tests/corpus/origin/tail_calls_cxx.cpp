/*-------------------------------------------------------------------------
 *
 * tail_calls_cxx.cpp
 *		The same in C++.
 *
 *-------------------------------------------------------------------------
 */
extern "C"
{
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(last_new_bad);
PG_FUNCTION_INFO_V1(last_new_ok);
PG_FUNCTION_INFO_V1(last_alloc_cxx_bad);
}

#include <new>

Datum
last_new_bad(PG_FUNCTION_ARGS)
{
	return reinterpret_cast<Datum>(::operator new(PG_GETARG_INT32(0)));
}

Datum
last_new_ok(PG_FUNCTION_ARGS)
{
	void	   *made = ::operator new(PG_GETARG_INT32(0));

	__asm__ volatile("" : "+r"(made));
	::operator delete(made);
	return 0;
}

Datum
last_alloc_cxx_bad(PG_FUNCTION_ARGS)
{
	return reinterpret_cast<Datum>(MemoryContextAlloc(TopMemoryContext, PG_GETARG_INT32(0)));
}
