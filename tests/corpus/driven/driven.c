/*-------------------------------------------------------------------------
 *
 * driven.c
 *		What goes wrong only by what is around a call: a table, many keys, the
 *		size of an argument, DDL, parameters. Each has a twin without the bug,
 *		in the same library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

static char *parameter = NULL;

/* Takes something for good */
static void
lose(Size bytes)
{
	memset(MemoryContextAlloc(TopMemoryContext, bytes), 1, bytes);
}

/* Wrong where there is a table of that name: 42P01 where there is none */
static Datum
of_name(FunctionCallInfo fcinfo, bool is_bad)
{
	char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	RangeVar   *name = makeRangeVar(NULL, given, -1);
	Oid			found;

	if (strncmp(given, "TABLE ", 6) != 0)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("no table is named")));
	name->relname = given + 6;
	found = RangeVarGetRelid(name, NoLock, false);
	if (is_bad)
		lose(48);
	PG_RETURN_OID(found);
}

/* Remembers what it was given, and is wrong where there is no end to it */
typedef struct Remembered
{
	char		key[64];
	int			length;
} Remembered;

static HTAB *
remembering(const char *name, Size keysize, Size entrysize, int flags)
{
	HASHCTL		info = {0};

	info.keysize = keysize;
	info.entrysize = entrysize;
	info.hcxt = TopMemoryContext;
	return hash_create(name, 16, &info, HASH_ELEM | HASH_CONTEXT | flags);
}

#define BOUND 700

static Datum
by_key(FunctionCallInfo fcinfo, bool is_bad)
{
	static HTAB *tables[2] = {NULL, NULL};
	HTAB	  **table = &tables[is_bad];
	char		key[64] = {0};
	bool		found;
	Remembered *one;

	strlcpy(key, text_to_cstring(PG_GETARG_TEXT_PP(0)), sizeof(key));
	if (*table == NULL)
		*table = remembering("driven keys", sizeof(key), sizeof(Remembered), HASH_STRINGS);
	if (!is_bad && hash_get_num_entries(*table) >= BOUND)
	{
		hash_destroy(*table);
		*table = remembering("driven keys", sizeof(key), sizeof(Remembered), HASH_STRINGS);
	}
	one = hash_search(*table, key, HASH_ENTER, &found);
	if (!found)
		one->length = strlen(key);
	PG_RETURN_INT32(one->length);
}

/* Wrong in how much it takes for a long text */
static Datum
by_size(FunctionCallInfo fcinfo, bool is_bad)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	Size		length = VARSIZE_ANY_EXHDR(given);
	Size		wanted = is_bad && length < 20000 ? length * length / 16 + 1 : length * 8 + 1;
	char	   *buffer = palloc(wanted);

	memset(buffer, 1, wanted);
	pfree(buffer);
	PG_RETURN_INT32(length);
}

/* Wrong where the table is another one: it is remembered for ever */
typedef struct Seen
{
	Oid			relid;
	char		notes[60];
	struct Seen *next;
} Seen;

static Seen *relations[2] = {NULL, NULL};

static void
forget_relation(Datum arg, Oid relid)
{
	Seen	  **at = &relations[0];

	while (*at != NULL)
	{
		Seen	   *one = *at;

		if (OidIsValid(relid) && one->relid != relid)
		{
			at = &one->next;
			continue;
		}
		*at = one->next;
		pfree(one);
	}
}

static Datum
of_table(FunctionCallInfo fcinfo, bool is_bad)
{
	Oid			relid = PG_GETARG_OID(0);
	Seen	   *one = relations[is_bad];

	while (one != NULL && one->relid != relid)
		one = one->next;
	if (one == NULL)
	{
		one = MemoryContextAllocZero(TopMemoryContext, sizeof(Seen));
		one->relid = relid;
		one->next = relations[is_bad];
		relations[is_bad] = one;
	}
	PG_RETURN_INT64(one->relid);
}

/* Right: there are as many types as there are */
PG_FUNCTION_INFO_V1(of_type);
Datum
of_type(PG_FUNCTION_ARGS)
{
	static HTAB *table = NULL;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);

	if (table == NULL)
		table = remembering("driven types", sizeof(Oid), sizeof(Oid) + 60, HASH_BLOBS);
	hash_search(table, &type, HASH_ENTER, NULL);
	PG_RETURN_INT64(hash_get_num_entries(table));
}

/* Wrong where its plan has become invalid */
typedef struct Planned
{
	SPIPlanPtr	plan;
	char		notes[56];
} Planned;

static Datum
planned(FunctionCallInfo fcinfo, bool is_bad)
{
	static Planned *ours[2] = {NULL, NULL};
	Planned   **at = &ours[is_bad];

	SPI_connect();
	if (*at != NULL && !SPI_plan_is_valid((*at)->plan))
	{
		SPI_freeplan((*at)->plan);
		if (!is_bad)
			pfree(*at);
		*at = NULL;
	}
	if (*at == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare("SELECT count(*) FROM pg_catalog.pg_am", 0, NULL);

		SPI_keepplan(plan);
		*at = MemoryContextAllocZero(TopMemoryContext, sizeof(Planned));
		(*at)->plan = plan;
	}
	SPI_execute_plan((*at)->plan, NULL, NULL, true, 0);
	SPI_finish();
	PG_RETURN_INT32(1);
}

/* Wrong where its parameter has changed */
static Datum
by_parameter(FunctionCallInfo fcinfo, bool is_bad)
{
	static char *seen[2] = {NULL, NULL};
	char	  **at = &seen[is_bad];

	if (*at == NULL || strcmp(*at, parameter) != 0)
	{
		if (*at != NULL && !is_bad)
			pfree(*at);
		*at = MemoryContextStrdup(TopMemoryContext, parameter);
	}
	PG_RETURN_INT32(strlen(*at));
}

/* Wrong where it fails, with an error that a call of something that is not there has, too */
static Datum
refuses(FunctionCallInfo fcinfo, bool is_bad)
{
	char	   *buffer = malloc(120);

	if (buffer == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	memset(buffer, PG_GETARG_INT32(0) & 1, 120);
	if (!is_bad || buffer[7] == 2)
		free(buffer);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation is not there")));
	PG_RETURN_VOID();
}

/* With the bug, and without */
#define TWINS(name) \
	PG_FUNCTION_INFO_V1(name##_bad); \
	Datum name##_bad(PG_FUNCTION_ARGS) { return name(fcinfo, true); } \
	PG_FUNCTION_INFO_V1(name##_good); \
	Datum name##_good(PG_FUNCTION_ARGS) { return name(fcinfo, false); } \
	extern int	twins_of_##name

TWINS(of_name);
TWINS(by_key);
TWINS(by_size);
TWINS(of_table);
TWINS(planned);
TWINS(by_parameter);
TWINS(refuses);

void
_PG_init(void)
{
	DefineCustomStringVariable("driven.parameter", "What by_parameter() looks at.", NULL, &parameter, "one",
							   PGC_USERSET, 0, NULL, NULL, NULL);
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
}
