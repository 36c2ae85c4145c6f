/* Loaded by multi-1.2 alone. */
#include "multi.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void multi_tsl_keep(void);
extern PGDLLEXPORT void multi_tsl_use(void);

void
multi_tsl_keep(void)
{
	keep();
}

void
multi_tsl_use(void)
{
	use();
}
