/*-------------------------------------------------------------------------
 *
 * accesses.h
 *		Subjects that come in three: NAME_bad with a bad access, NAME_ok with
 *		its fix, NAME_decoy, which looks like it and is allowed.
 *
 * The three are one function with another constant each, so that they differ
 * in nothing but what is wrong.  What each is for is said in
 * accesses--1.0.sql, what is wrong with it above its definition.
 *
 * Where a server does not look, a bad access hits nothing that somebody needs:
 * what is overrun is the last chunk of a block, and what is read after its end
 * is still mapped.  The few of which that is not so say it in
 * accesses--1.0.sql.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ACCESSES_H
#define ACCESSES_H

#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/palloc.h"

typedef enum Twin
{
	BAD,
	OK,
	DECOY,
} Twin;

#define TWINS	3

#define ONE_TWIN(name, suffix, twin) \
	PG_FUNCTION_INFO_V1(name##_##suffix); \
	Datum name##_##suffix(PG_FUNCTION_ARGS) \
	{ \
		return name(fcinfo, twin); \
	} \
	extern int no_such_variable

/* Defines the functions for SQL after static Datum name(FunctionCallInfo fcinfo, Twin twin). */
#define SUBJECT(name) \
	ONE_TWIN(name, bad, BAD); \
	ONE_TWIN(name, ok, OK); \
	ONE_TWIN(name, decoy, DECOY)

#define SUBJECT_BODY	static pg_attribute_always_inline Datum

/* A context with nothing in it is current until leave_scratch(). */
static inline MemoryContext
enter_scratch(void)
{
	return MemoryContextSwitchTo(AllocSetContextCreate(CurrentMemoryContext, "scratch",
													   ALLOCSET_DEFAULT_SIZES));
}

static inline void
leave_scratch(MemoryContext old)
{
	MemoryContextDelete(MemoryContextSwitchTo(old));
}

/* Byte for byte, by instructions of this library */
static pg_attribute_always_inline void
fill(char *to, int size)
{
	for (int i = 0; i < size; i++)
		((volatile char *) to)[i] = 'x';
}

static pg_attribute_always_inline int
count_of(const char *in, int size, char c)
{
	int			count = 0;

	for (int i = 0; i < size; i++)
		count += ((const volatile char *) in)[i] == c;
	return count;
}

#endif							/* ACCESSES_H */
