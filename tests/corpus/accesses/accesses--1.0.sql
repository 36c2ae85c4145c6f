\echo Use "CREATE EXTENSION accesses" to load this file. \quit

-- In threes: NAME_bad has a bad access, NAME_ok is the same with the bug mended, NAME_decoy looks like it and is allowed. They
-- return the same where the server is a stock one and nothing is said. Chunks are of 64 bytes where nothing else is said.

--
-- overruns.c: behind the end of a chunk, and before its start
--

-- size: bytes of a chunk; as many more are written as by says
CREATE FUNCTION overrun_bad(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION overrun_ok(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION overrun_decoy(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the same, read; a stock server may count more
CREATE FUNCTION overread_bad(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION overread_ok(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION overread_decoy(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- as many bytes before a chunk are written; a stock server finds some in the chunk before
CREATE FUNCTION underrun_bad(by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION underrun_ok(by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION underrun_decoy(by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- as overrun, in the heap of malloc, which has room for 40 bytes where 25 are asked for: more would end a stock server
CREATE FUNCTION heap_overrun_bad(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION heap_overrun_ok(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION heap_overrun_decoy(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the end of the text, behind the chunk; the number of "x" in it
CREATE FUNCTION copied_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION copied_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION copied_decoy(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 8 bytes for each NULL; the sum
CREATE FUNCTION counted_bad(integer[]) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION counted_ok(integer[]) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION counted_decoy(integer[]) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 8 bytes, from the 9th item on, until the 10th
CREATE FUNCTION grown_bad(count int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION grown_ok(count int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION grown_decoy(count int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 8 bytes for each item that is used, if the count is 2^29 + N, beyond N. The others refuse such a count
CREATE FUNCTION wrapped_bad(count int, used int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION wrapped_ok(count int, used int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION wrapped_decoy(count int, used int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- a byte for each byte that a character has beyond the first
CREATE FUNCTION spread_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION spread_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION spread_decoy(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the end of a text whose last character is cut, by a read of what is behind it; the number of characters
CREATE FUNCTION cut_bad(t text, bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION cut_ok(t text, bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION cut_decoy(t text, bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the byte before an empty text, read
CREATE FUNCTION trimmed_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION trimmed_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION trimmed_decoy(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the byte before an empty text, set to zero, which it is on a stock server
CREATE FUNCTION chopped_bad(line text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION chopped_ok(line text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION chopped_decoy(line text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 64 bytes are read of a shorter text
CREATE FUNCTION named_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION named_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION named_decoy(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 8 bytes behind an array at the end of a struct
CREATE FUNCTION flexible_bad(count int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION flexible_ok(count int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION flexible_decoy(count int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 4 bytes behind a text
CREATE FUNCTION headed_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION headed_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION headed_decoy(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 4 bytes that the allocator has rounded up to
CREATE FUNCTION slack_bad(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION slack_ok(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION slack_decoy(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

--
-- lifetimes.c: what is freed, or gone with its context
--

-- after pfree
CREATE FUNCTION read_freed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION read_freed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION read_freed_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_freed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_freed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_freed_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- after the reset of the context
CREATE FUNCTION read_reset_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION read_reset_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION read_reset_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_reset_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_reset_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_reset_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- after the context was deleted
CREATE FUNCTION read_deleted_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION read_deleted_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION read_deleted_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_deleted_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_deleted_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION write_deleted_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- 8 bytes at the pointer that repalloc was given; a stock server answers 32, that of the twins
CREATE FUNCTION enlarged_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION enlarged_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION enlarged_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- three items of a list, freed before they are read
CREATE FUNCTION walked_bad() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION walked_ok() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION walked_decoy() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;

-- as read_freed, in the heap of malloc
CREATE FUNCTION heap_freed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION heap_freed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION heap_freed_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- 64 bytes, from the second call in a session on; a stock server may count less
CREATE FUNCTION stale_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION stale_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION stale_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- from the second row of a statement on: the number of the row, which a stock server may not know
CREATE FUNCTION extra_bad(v text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION extra_ok(v text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION extra_decoy(v text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;

-- 32 bytes of a chunk of 1024; a stock server may count less
CREATE FUNCTION printed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION printed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION printed_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- 4 bytes, from the second call in a session on, in a context of SPI; a stock server may answer 0
CREATE FUNCTION planned_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION planned_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION planned_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- 40 bytes of a string that SPI_getvalue() gave, which SPI_finish() takes; a stock server may count less
CREATE FUNCTION finished_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION finished_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION finished_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- after the abort of a subtransaction
CREATE FUNCTION aborted_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION aborted_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION aborted_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by strlen, of what was made for an earlier message; 5, which a stock server may not know
CREATE FUNCTION messaged_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION messaged_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION messaged_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by strncmp, called by a callback of hash_search: the key that an earlier statement brought;
-- whether it was found, which a stock server may not know
CREATE FUNCTION keyed_bad(key text) RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION keyed_ok(key text) RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION keyed_decoy(key text) RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 2 bytes of the relation cache, after the table was closed; only where its entry is replaced meanwhile
CREATE FUNCTION closed_bad(class regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION closed_ok(class regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION closed_decoy(class regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 2 bytes of a system cache, likewise
CREATE FUNCTION released_bad(type regtype) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION released_ok(type regtype) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION released_decoy(type regtype) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- a pointer into the relation cache, from the second call in a session on, likewise
CREATE FUNCTION opened_bad(class regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION opened_ok(class regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION opened_decoy(class regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

--
-- releases.c: given back twice, or to another
--

-- by two calls of pfree. What is given back twice ends a stock server of 15
CREATE FUNCTION twice_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION twice_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION twice_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by pfree in PG_CATCH
CREATE FUNCTION failed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION failed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION failed_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by pfree after the reset of the context
CREATE FUNCTION swept_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION swept_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION swept_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by list_free in the callback of the second transaction that is aborted after the call
CREATE FUNCTION noted_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION noted_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION noted_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- These end a stock server.

-- by two calls of free
CREATE FUNCTION heap_twice_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION heap_twice_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION heap_twice_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by free, of what palloc gave
CREATE FUNCTION to_free_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION to_free_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION to_free_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by pfree, of what malloc gave
CREATE FUNCTION to_pfree_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION to_pfree_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION to_pfree_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

--
-- callees.c: by functions that the library calls
--

-- memcpy, from a freed chunk
CREATE FUNCTION memcpy_from_bad(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION memcpy_from_ok(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION memcpy_from_decoy(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- memcpy, behind the end of a chunk
CREATE FUNCTION memcpy_to_bad(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION memcpy_to_ok(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION memcpy_to_decoy(size int, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- strlen of a chunk in which no string ends; a stock server may count more
CREATE FUNCTION strlen_of_bad(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION strlen_of_ok(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION strlen_of_decoy(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- appendStringInfo, of a freed string
CREATE FUNCTION formatted_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION formatted_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION formatted_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- hash_search in a table whose context is gone
CREATE FUNCTION hash_search_in_bad(key int) RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION hash_search_in_ok(key int) RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION hash_search_in_decoy(key int) RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- a callback of qsort_arg
CREATE FUNCTION sorted_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION sorted_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION sorted_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

--
-- places.c: where the server calls a library
--

-- in a parallel worker
CREATE FUNCTION in_parallel_bad(int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;
CREATE FUNCTION in_parallel_ok(int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;
CREATE FUNCTION in_parallel_decoy(int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;

-- in the expression of an index, while it is built
CREATE FUNCTION in_index_bad(int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE;
CREATE FUNCTION in_index_ok(int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE;
CREATE FUNCTION in_index_decoy(int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE;

-- in the comparison of a sort: by #<#, ##<## and ###<###
CREATE FUNCTION in_sort_bad(text, text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION in_sort_ok(text, text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION in_sort_decoy(text, text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE OPERATOR #<# (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_lt);
CREATE OPERATOR #<=# (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_le);
CREATE OPERATOR #=# (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq);
CREATE OPERATOR #>=# (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_ge);
CREATE OPERATOR #># (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_gt);
CREATE OPERATOR CLASS in_sort_ops_bad FOR TYPE text USING btree AS
  OPERATOR 1 #<#, OPERATOR 2 #<=#, OPERATOR 3 #=#, OPERATOR 4 #>=#, OPERATOR 5 #>#,
  FUNCTION 1 in_sort_bad(text, text);
CREATE OPERATOR ##<## (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_lt);
CREATE OPERATOR ##<=## (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_le);
CREATE OPERATOR ##=## (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq);
CREATE OPERATOR ##>=## (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_ge);
CREATE OPERATOR ##>## (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_gt);
CREATE OPERATOR CLASS in_sort_ops_ok FOR TYPE text USING btree AS
  OPERATOR 1 ##<##, OPERATOR 2 ##<=##, OPERATOR 3 ##=##, OPERATOR 4 ##>=##, OPERATOR 5 ##>##,
  FUNCTION 1 in_sort_ok(text, text);
CREATE OPERATOR ###<### (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_lt);
CREATE OPERATOR ###<=### (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_le);
CREATE OPERATOR ###=### (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq);
CREATE OPERATOR ###>=### (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_ge);
CREATE OPERATOR ###>### (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_gt);
CREATE OPERATOR CLASS in_sort_ops_decoy FOR TYPE text USING btree AS
  OPERATOR 1 ###<###, OPERATOR 2 ###<=###, OPERATOR 3 ###=###, OPERATOR 4 ###>=###, OPERATOR 5 ###>###,
  FUNCTION 1 in_sort_decoy(text, text);

-- in a trigger for each row, from the second row of a statement on
CREATE FUNCTION in_trigger_bad() RETURNS trigger AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION in_trigger_ok() RETURNS trigger AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION in_trigger_decoy() RETURNS trigger AS 'MODULE_PATHNAME' LANGUAGE C;

-- in a background worker "accesses bad", "accesses ok" or "accesses decoy", which runs until it is terminated: its pid
CREATE FUNCTION in_worker_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION in_worker_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION in_worker_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

--
-- classes.cpp: C++
--

-- by a destructor
CREATE FUNCTION destructed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION destructed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION destructed_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- by two destructors
CREATE FUNCTION duplicated_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION duplicated_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION duplicated_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- a byte behind an array of 25 from new
CREATE FUNCTION renewed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION renewed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION renewed_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

--
-- legal.c: nothing of these is ever to be found
--
CREATE FUNCTION legal_empty() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION legal_sizes() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION legal_contexts() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION legal_callback() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION legal_flags() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION legal_heap() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION legal_error() RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C;
