/*-------------------------------------------------------------------------
 *
 * deep_calls.h
 *		What libdeep_calls offers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEEP_CALLS_H
#define DEEP_CALLS_H

#include <stddef.h>

#pragma GCC visibility push(default)

extern void *f9(size_t size);
extern void *deep(int calls, size_t size);

#pragma GCC visibility pop

#endif
