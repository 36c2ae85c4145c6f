/*
 * words.c
 *	  The extension of docs/tutorial.md: it remembers the word that was looked up last.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(words_lookup);
PG_FUNCTION_INFO_V1(words_last);

/* Lives as long as the session */
static char *last_word = NULL;

/* Remember a word; it has to outlive the query */
static void
remember(const char *word)
{
	last_word = MemoryContextStrdup(TopMemoryContext, word);
}

Datum
words_lookup(PG_FUNCTION_ARGS)
{
	char	   *word = text_to_cstring(PG_GETARG_TEXT_PP(0));

	remember(word);
	PG_RETURN_INT32(strlen(word));
}

Datum
words_last(PG_FUNCTION_ARGS)
{
	if (last_word == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(last_word));
}
