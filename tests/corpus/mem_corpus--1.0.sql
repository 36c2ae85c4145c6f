\echo Use "CREATE EXTENSION mem_corpus" to load this file. \quit

-- Pairs: dNN_bad has a bug, dNN_ok is the same with the bug mended. Bytes are what the buggy twin asks for and does not
-- give back, per call where nothing else is said.

-- d01: n bytes in TopMemoryContext
CREATE FUNCTION d01_bad(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d01_ok(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d02: a copy of the text, with its end, and a list cell in CacheMemoryContext
CREATE FUNCTION d02_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d02_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d03: not a function. With mem_corpus.log = bad, a copy of each top-level query in the context "dev log"; with ok, of
-- the last 32.

-- d04: a context "dev scratch" under TopMemoryContext with 100 bytes in it
CREATE FUNCTION d04_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d04_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- d04: a context "dev empty" under TopMemoryContext with nothing in it
CREATE FUNCTION d04_empty_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d04_empty_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- d05: starts a background worker "mem_corpus d05_bad" or "mem_corpus d05_ok", which runs until it is terminated, and
-- returns its pid; 20 bytes in the worker's TopMemoryContext every 10 ms
CREATE FUNCTION d05_launch(ok bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d06: the number of distinct values; a hash table "d06 distinct" under TopMemoryContext
CREATE FUNCTION d06_bad(integer[]) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d06_ok(integer[]) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d07: 64 bytes in the context "d07 memo" and an entry in its hash table for every new key; the mended twin keeps 128
CREATE FUNCTION d07_bad(k text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d07_ok(k text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d08: concatenates the texts; until the end of the aggregate every row holds a copy of all before it
CREATE FUNCTION d08_bad_sfunc(internal, text) RETURNS internal AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d08_bad_final(internal) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE AGGREGATE d08_bad(text) (SFUNC = d08_bad_sfunc, STYPE = internal, FINALFUNC = d08_bad_final);

CREATE FUNCTION d08_ok_sfunc(internal, text) RETURNS internal AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d08_ok_final(internal) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE AGGREGATE d08_ok(text) (SFUNC = d08_ok_sfunc, STYPE = internal, FINALFUNC = d08_ok_final);

-- d09: n rows; 256 bytes each until the last one
CREATE FUNCTION d09_bad(n int) RETURNS SETOF int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d09_ok(n int) RETURNS SETOF int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d10: orders texts by their bytes; a copy of both sides, with their ends, per comparison until the end of the sort
CREATE FUNCTION d10_bad_cmp(text, text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE OPERATOR #<#  (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_lt);
CREATE OPERATOR #<=# (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_le);
CREATE OPERATOR #=#  (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq);
CREATE OPERATOR #>=# (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_ge);
CREATE OPERATOR #>#  (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_gt);
CREATE OPERATOR CLASS d10_bad_ops FOR TYPE text USING btree AS
  OPERATOR 1 #<#, OPERATOR 2 #<=#, OPERATOR 3 #=#, OPERATOR 4 #>=#, OPERATOR 5 #>#,
  FUNCTION 1 d10_bad_cmp(text, text);

CREATE FUNCTION d10_ok_cmp(text, text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;
CREATE OPERATOR @<@  (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_lt);
CREATE OPERATOR @<=@ (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_le);
CREATE OPERATOR @=@  (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq);
CREATE OPERATOR @>=@ (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_ge);
CREATE OPERATOR @>@  (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.text_pattern_gt);
CREATE OPERATOR CLASS d10_ok_ops FOR TYPE text USING btree AS
  OPERATOR 1 @<@, OPERATOR 2 @<=@, OPERATOR 3 @=@, OPERATOR 4 @>=@, OPERATOR 5 @>@,
  FUNCTION 1 d10_ok_cmp(text, text);

-- d11: fails with SQLSTATE 38000 where mode is 0; then 4096 bytes of malloc
CREATE FUNCTION d11_bad(mode int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d11_ok(mode int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d12: n bytes in TopTransactionContext where the subtransaction rolls back, until the transaction ends
CREATE FUNCTION d12_bad(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d12_ok(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d13: whether the regular expression matches "abd"; what the C library allocated for it
CREATE FUNCTION d13_bad(t text) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d13_ok(t text) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d14: the number of rows of a query; its plan, for the rest of the session
CREATE FUNCTION d14_bad(t text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d14_ok(t text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d15: runs n queries; the result of each, in a context "SPI TupTable", until the function returns
CREATE FUNCTION d15_bad(n int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d15_ok(n int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- r01: the number of columns; leaves the relation open
CREATE FUNCTION r01_bad(regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION r01_ok(regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- r02: whether n is one of 0 to 7; where it is, leaves the scan of a hash table open
CREATE FUNCTION r02_bad(n int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION r02_ok(n int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- r03: the number of columns; keeps a reference to the descriptor of the row type
CREATE FUNCTION r03_bad(regtype) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION r03_ok(regtype) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- r04: the first value of a query's result; stays connected to SPI
CREATE FUNCTION r04_bad(query text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION r04_ok(query text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- c03: the length of the longest text so far; where that is not this one, leaves the context "c03 scratch" current
CREATE FUNCTION c03_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION c03_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- c03_throws: fails with SQLSTATE 38000 while "c03 scratch" is current; c03_rows: the numbers from 1 to n. Neither is a bug.
CREATE FUNCTION c03_throws() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION c03_rows(n int) RETURNS SETOF int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- x01: fails with SQLSTATE 38000 while it works on n chunks; keeps a chunk of so many bytes in TopMemoryContext, 0 for none
CREATE FUNCTION x01_throws(n int, keep int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- x02: asks for too much: "invalid" and "palloc" fail, "repalloc" fails and leaves 24 bytes in TopMemoryContext, any other
-- way gets no memory and does not fail
CREATE FUNCTION x02_too_much(way text) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d16: the number of bytes of a string; from the second call in a session on it is read after its context was reset
CREATE FUNCTION d16_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d16_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- d17: the bytes of all rows so far; from the second row on in a struct whose context was reset
CREATE FUNCTION d17_bad(t text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d17_ok(t text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d18: the length of a text; a byte behind a chunk. d18_bytes writes none there
CREATE FUNCTION d18_bad(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d18_ok(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d18_bytes(t text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d20: a segment of dynamic shared memory of that many kB, pinned; it outlives the session
CREATE FUNCTION d20_bad(kb int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d20_ok(kb int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d20: a mapping of such a segment, until the session ends
CREATE FUNCTION d20_mapped_bad(kb int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d20_mapped_ok(kb int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d21: whether a query has rows; a holdable cursor, for the rest of the session
CREATE FUNCTION d21_bad(t text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION d21_ok(t text) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d22: 20000 bytes in TopMemoryContext, a context "d22 query" with 400 bytes in it, 20000 bytes of malloc, or a saved plan; on
-- the first call in a session and again on the first after DISCARD ALL, instead of per call
CREATE FUNCTION d22_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d22_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d22_context_bad() RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d22_context_ok() RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d22_malloc_bad() RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d22_malloc_ok() RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d22_plan_bad() RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d22_plan_ok() RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C;

-- d23: 4000 bytes in TopMemoryContext on the first call in a session; after each DISCARD ALL, 4000 more than before
CREATE FUNCTION d23_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION d23_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- Controls, which have no bug

-- n1: 1 MB in the context "n1 cache", on the first call in a session
CREATE FUNCTION n1_cache() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- n2: 512 bytes in the context "n2 cache" for each of the last 64 keys
CREATE FUNCTION n2_lru(key int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- n6: creates and deletes 200 contexts "n6 scratch"
CREATE FUNCTION n6_contexts() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- n7: malloc and free of size bytes
CREATE FUNCTION n7_malloc(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- n10: n rows
CREATE FUNCTION n10_rows(n int) RETURNS SETOF int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- n11: in the context "n11 session" 5000 bytes, made anew on the first call after DISCARD ALL, and a value for each of the last
-- 16 keys, larger for larger keys
CREATE FUNCTION n11_restart(key int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
