/*-------------------------------------------------------------------------
 *
 * mem_corpus.c
 *		The module's entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mem_corpus.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	d03_init();
	MarkGUCPrefixReserved("mem_corpus");
}
