\echo Use "CREATE EXTENSION deep_calls" to load this file. \quit

-- A chunk of so many bytes, made by libdeep_calls behind nine calls; the twin gives it back
CREATE FUNCTION nine_bad(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION nine_more_bad(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION nine_ok(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The same behind so many calls
CREATE FUNCTION deep_bad(calls int, bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION deep_ok(calls int, bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A chunk by the function in the name
CREATE FUNCTION by_reallocarray(bytes int, keeps bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION by_valloc(bytes int, keeps bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION by_pvalloc(bytes int, keeps bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION by_memalign(bytes int, keeps bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION by_aligned_alloc(bytes int, keeps bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION by_posix_memalign_of(bytes int, keeps bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION by_strdup_of(bytes int, keeps bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
