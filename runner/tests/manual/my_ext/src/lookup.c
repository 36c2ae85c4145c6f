/*
 * lookup.c
 *	  Words that are looked up and remembered, each in memory of the session.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(my_ext_lookup);
PG_FUNCTION_INFO_V1(my_ext_scratch);

typedef struct Word
{
	int			length;
	char		text[96];
} Word;

static Word *last_word = NULL;

static void
remember_word(const char *text)
{
	last_word = MemoryContextAlloc(TopMemoryContext, sizeof(Word));
	last_word->length = strlen(text);
	strlcpy(last_word->text, text, sizeof(last_word->text));
}

Datum
my_ext_lookup(PG_FUNCTION_ARGS)
{
	remember_word(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_INT32(last_word->length);
}

static char *
make_scratch(int bytes)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "MyScratch", ALLOCSET_SMALL_SIZES);

	return MemoryContextAlloc(context, bytes);
}

Datum
my_ext_scratch(PG_FUNCTION_ARGS)
{
	char	   *copy = make_scratch(100);

	strlcpy(copy, text_to_cstring(PG_GETARG_TEXT_PP(0)), 100);
	PG_RETURN_INT32(strlen(copy));
}
