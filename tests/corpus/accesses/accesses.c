/*-------------------------------------------------------------------------
 *
 * accesses.c
 *		Bad accesses, their fixes, and what looks like them: see accesses.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;
