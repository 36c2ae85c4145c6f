/*-------------------------------------------------------------------------
 *
 * company.h
 *		Subjects that go wrong only where sessions work side by side.  They come
 *		in three: NAME_bad, NAME_ok with its fix, and NAME_decoy, which looks
 *		like it and is allowed.
 *
 * What each is for is said in company--1.0.sql.
 *
 *-------------------------------------------------------------------------
 */
#ifndef COMPANY_H
#define COMPANY_H

#include "fmgr.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/hsearch.h"

typedef enum Twin
{
	BAD,
	OK,
	DECOY,
} Twin;

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

#define SLOTS	8

/* What all processes share. */
typedef struct Shared
{
	slock_t		mutex;
	/* how many are inside, guarded by the lock */
	int			inside;
	bool		is_taken[SLOTS];
	int64		work;
	/* nobody ever sets it */
	volatile int never;
} Shared;

extern Shared *shared;
/* In the order in which they are to be taken. */
extern LWLock *first_lock;
extern LWLock *second_lock;
/* Two of them. */
extern LWLockPadded *pair;

/* How many locks the table has that is divided, each for as many parts. */
#define PARTS	4
#define ITEMS	64

/* An element of a table. */
typedef struct Item
{
	int32		key;
	int			count;
	slock_t		mutex;
} Item;

extern HTAB *whole_table;
extern HTAB *divided_table;
extern HTAB *own_table;
extern LWLock *table_lock;
extern LWLockPadded *part_locks;

#endif							/* COMPANY_H */
