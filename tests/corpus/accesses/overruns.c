/*-------------------------------------------------------------------------
 *
 * overruns.c
 *		Accesses behind the end of a chunk and before its start.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdlib.h>

#include "accesses.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* More bytes are written than were asked for. The decoy writes the last one. */
SUBJECT_BODY
overrun(FunctionCallInfo fcinfo, Twin twin)
{
	int32		size = PG_GETARG_INT32(0);
	int32		by = PG_GETARG_INT32(1);
	MemoryContext old = enter_scratch();
	char	   *chunk = palloc(twin == OK ? size + by : size);
	int			written;

	if (twin == DECOY)
		by = 0;
	fill(chunk, size + by);
	written = count_of(chunk, size, 'x');
	pfree(chunk);
	leave_scratch(old);
	PG_RETURN_INT32(written);
}
SUBJECT(overrun);

/* More bytes are read than were asked for. The decoy reads the last one. */
SUBJECT_BODY
overread(FunctionCallInfo fcinfo, Twin twin)
{
	int32		size = PG_GETARG_INT32(0);
	int32		by = PG_GETARG_INT32(1);
	MemoryContext old = enter_scratch();
	char	   *chunk = palloc(size);
	int			read;

	fill(chunk, size);
	read = count_of(chunk, twin == BAD ? size + by : size, 'x');
	if (twin == DECOY && chunk[size - 1] != 'x')
		read = -1;
	leave_scratch(old);
	PG_RETURN_INT32(read);
}
SUBJECT(overread);

/* Bytes before the chunk are written. The decoy writes the first ones. */
SUBJECT_BODY
underrun(FunctionCallInfo fcinfo, Twin twin)
{
	int32		by = PG_GETARG_INT32(0);
	MemoryContext old = enter_scratch();
	char	   *neighbour = palloc0(64);
	char	   *chunk = palloc0(64);

	fill(twin == BAD ? chunk - by : chunk, by);
	by = count_of(chunk, 64, 'x') + 100 * count_of(neighbour, 64, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(by);
}
SUBJECT(underrun);

/* As overrun, in malloc's heap */
SUBJECT_BODY
heap_overrun(FunctionCallInfo fcinfo, Twin twin)
{
	int32		size = PG_GETARG_INT32(0);
	int32		by = PG_GETARG_INT32(1);
	char	   *chunk = malloc(twin == OK ? size + by : size);
	int			written;

	if (chunk == NULL)
		elog(ERROR, "out of memory");
	if (twin == DECOY)
		by = 0;
	fill(chunk, size + by);
	written = count_of(chunk, size, 'x');
	free(chunk);
	PG_RETURN_INT32(written);
}
SUBJECT(heap_overrun);

/* No room for the end of the string. The decoy copies none. */
SUBJECT_BODY
copied(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			length = strlen(string);
	MemoryContext old = enter_scratch();
	char	   *copy = palloc(twin == OK ? length + 1 : length);

	if (twin == DECOY)
		memcpy(copy, string, length);
	else
		strcpy(copy, string);
	length = count_of(copy, length, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(length);
}
SUBJECT(copied);

/* The room is counted without those that are NULL. So is what the decoy puts there. */
SUBJECT_BODY
counted(FunctionCallInfo fcinfo, Twin twin)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum	   *elements;
	bool	   *nulls;
	int			count,
				present = 0,
				used = 0;
	int64		sum = 0;
	int64	   *values;
	MemoryContext old;

	deconstruct_array(array, INT4OID, 4, true, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
		present += !nulls[i];

	old = enter_scratch();
	values = palloc((twin == OK ? count : present) * sizeof(int64));
	for (int i = 0; i < count; i++)
	{
		if (twin != DECOY)
			values[used++] = nulls[i] ? 0 : DatumGetInt32(elements[i]);
		else if (!nulls[i])
			values[used++] = DatumGetInt32(elements[i]);
	}
	for (int i = 0; i < used; i++)
		sum += ((volatile int64 *) values)[i];
	leave_scratch(old);
	PG_RETURN_INT64(sum);
}
SUBJECT(counted);

/*
 * An array of eight, which are a power of two in bytes as well, grows too
 * late. The decoy fills it to the end and does not grow it.
 */
SUBJECT_BODY
grown(FunctionCallInfo fcinfo, Twin twin)
{
	int32		count = PG_GETARG_INT32(0);
	int			capacity = 8;
	MemoryContext old = enter_scratch();
	volatile int64 *items = palloc(capacity * sizeof(int64));
	int64		sum = 0;

	if (twin == DECOY)
		count = capacity;
	for (int i = 0; i < count; i++)
	{
		if (twin == OK ? i >= capacity : i > capacity)
		{
			capacity *= 2;
			items = repalloc((void *) items, capacity * sizeof(int64));
		}
		items[i] = i;
	}
	for (int i = 0; i < count; i++)
		sum += items[i];
	leave_scratch(old);
	PG_RETURN_INT64(sum);
}
SUBJECT(grown);

/*
 * The size is multiplied in 32 bits and wraps, the index is not. The decoy does
 * the same and has asked before whether it wraps.
 */
SUBJECT_BODY
wrapped(FunctionCallInfo fcinfo, Twin twin)
{
	int32		count = PG_GETARG_INT32(0);
	int32		used = PG_GETARG_INT32(1);
	uint32		bytes = (uint32) count * sizeof(int64);
	MemoryContext old;
	volatile int64 *items;
	int64		sum = 0;

	if (twin != BAD && (Size) count > MaxAllocSize / sizeof(int64))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many items: %d", count)));

	old = enter_scratch();
	items = palloc(twin == OK ? count * sizeof(int64) : bytes);
	for (int i = 0; i < used && i < count; i++)
		items[i] = i;
	for (int i = 0; i < used && i < count; i++)
		sum += items[i];
	leave_scratch(old);
	PG_RETURN_INT64(sum);
}
SUBJECT(wrapped);

/* Room for as many bytes as there are characters. The decoy puts a byte there for each. */
SUBJECT_BODY
spread(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			bytes = strlen(string);
	int			characters = pg_mbstrlen(string);
	MemoryContext old = enter_scratch();
	char	   *copy = palloc(twin == OK ? bytes : characters);
	int			used = 0;

	for (int i = 0; i < bytes; i++)
	{
		if (twin == DECOY && ((unsigned char) string[i] & 0xC0) == 0x80)
			continue;
		((volatile char *) copy)[used++] = string[i];
	}
	leave_scratch(old);
	PG_RETURN_INT32(used);
}
SUBJECT(spread);

/*
 * A string is cut after so many bytes and walked by characters: the last one
 * has lost its end, and the walk passes that of the string. The decoy walks by
 * bytes.
 */
SUBJECT_BODY
cut(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			bytes = Min(PG_GETARG_INT32(1), (int) strlen(string));
	MemoryContext old;
	char	   *end;
	int			characters = 0;

	if (twin == OK)
		bytes = pg_mbcliplen(string, strlen(string), bytes);
	old = enter_scratch();
	string = pnstrdup(string, bytes);
	end = string + bytes;
	for (const volatile char *at = string; *at != '\0' && characters < 100;)
	{
		at += twin == DECOY ? 1 : pg_utf_mblen((const unsigned char *) at);
		characters++;
	}
	if (*end != '\0')
		characters = -1;
	leave_scratch(old);
	PG_RETURN_INT32(characters);
}
SUBJECT(cut);

/*
 * Spaces at the end are cut off by looking at the last byte, also where there
 * is none. The decoy looks at the first one, which is the end of the string.
 */
SUBJECT_BODY
trimmed(FunctionCallInfo fcinfo, Twin twin)
{
	const volatile char *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			length = VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0));

	if (twin == DECOY && string[0] == '\0')
		PG_RETURN_INT32(0);
	while ((twin != OK || length > 0) && string[length - 1] == ' ')
		length--;
	PG_RETURN_INT32(length);
}
SUBJECT(trimmed);

/*
 * The newline at the end of a line is made its end, also where there is none:
 * the byte before the string. The decoy does so where there is one byte.
 */
SUBJECT_BODY
chopped(FunctionCallInfo fcinfo, Twin twin)
{
	text	   *line = PG_GETARG_TEXT_PP(0);
	int			length = VARSIZE_ANY_EXHDR(line);
	MemoryContext old = enter_scratch();
	volatile char *string = text_to_cstring(line);

	if (twin == BAD || length > 0)
		string[length - 1] = '\0';
	length = strlen((char *) string);
	leave_scratch(old);
	PG_RETURN_INT32(length);
}
SUBJECT(chopped);

/* A string is taken for a Name, which has 64 bytes. The decoy's string has as many. */
SUBJECT_BODY
named(FunctionCallInfo fcinfo, Twin twin)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			length = strlen(string);
	NameData	name;
	MemoryContext old = enter_scratch();

	string = twin == DECOY ? memcpy(palloc0(NAMEDATALEN), string, Min(length, NAMEDATALEN - 1)) : pstrdup(string);
	if (twin == OK)
		namestrcpy(&name, string);
	else
		memcpy(&name, string, NAMEDATALEN);
	leave_scratch(old);
	PG_RETURN_INT32(strlen(NameStr(name)));
}
SUBJECT(named);

typedef struct Items
{
	int32		count;
	int64		item[FLEXIBLE_ARRAY_MEMBER];
} Items;

/*
 * A struct that ends in an array is counted as if the first item were in it.
 * The decoy has room for more than it uses.
 */
SUBJECT_BODY
flexible(FunctionCallInfo fcinfo, Twin twin)
{
	int32		count = PG_GETARG_INT32(0);
	MemoryContext old = enter_scratch();
	Size		room = twin == BAD ? count - 1 : twin == OK ? count : count + 1;
	volatile Items *items = palloc(offsetof(Items, item) + room * sizeof(int64));
	int64		sum = 0;

	items->count = count;
	for (int i = 0; i < items->count; i++)
		items->item[i] = i;
	for (int i = 0; i < items->count; i++)
		sum += items->item[i];
	leave_scratch(old);
	PG_RETURN_INT64(sum);
}
SUBJECT(flexible);

/* The header of a varlena is left out. The decoy's has one byte. */
SUBJECT_BODY
headed(FunctionCallInfo fcinfo, Twin twin)
{
	text	   *from = PG_GETARG_TEXT_PP(0);
	int			length = VARSIZE_ANY_EXHDR(from);
	MemoryContext old = enter_scratch();
	text	   *copy = palloc(length + (twin == BAD ? 0 : twin == OK ? VARHDRSZ : VARHDRSZ_SHORT));

	if (twin == DECOY)
		SET_VARSIZE_SHORT(copy, length + VARHDRSZ_SHORT);
	else
		SET_VARSIZE(copy, length + VARHDRSZ);
	memcpy(VARDATA_ANY(copy), VARDATA_ANY(from), length);
	length = count_of(VARDATA_ANY(copy), length, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(length);
}
SUBJECT(headed);

/*
 * What the allocator rounds up to is asked for and written to. The decoy asks
 * and counts it.
 */
SUBJECT_BODY
slack(FunctionCallInfo fcinfo, Twin twin)
{
	int32		size = PG_GETARG_INT32(0);
	MemoryContext old = enter_scratch();
	char	   *chunk = palloc(size);
	Size		space = GetMemoryChunkSpace(chunk);

	if (space < (Size) size)
		elog(ERROR, "a chunk of %d bytes takes %zu", size, space);
	fill(chunk, twin == BAD ? size + 4 : size);
	size = count_of(chunk, size, 'x');
	leave_scratch(old);
	PG_RETURN_INT32(size);
}
SUBJECT(slack);
