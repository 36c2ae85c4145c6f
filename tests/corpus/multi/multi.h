/* What every library of the extension does. */
#ifndef MULTI_H
#define MULTI_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

/* 100 bytes that stay. */
static inline void
keep(void)
{
	memset(MemoryContextAlloc(TopMemoryContext, 100), 'x', 100);
}

/* 100 bytes that go. */
static inline void
use(void)
{
	pfree(MemoryContextAlloc(TopMemoryContext, 100));
}

#endif
