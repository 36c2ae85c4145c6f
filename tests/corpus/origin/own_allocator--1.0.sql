\echo Use "CREATE EXTENSION own_allocator" to load this file. \quit

-- Whether the library's variables hold its own functions
CREATE FUNCTION are_own() RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A chunk of so many bytes by the library's allocator, which is palloc's in TopMemoryContext, given back to palloc's
CREATE FUNCTION mixes_ok(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION keeps_bad(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- By functions that are chosen: 0 malloc's, 1 the library's own, 2 malloc's as dlsym() finds them
CREATE FUNCTION choose(which int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION chosen_ok(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION chosen_own_ok(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION by_name_ok(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION still_malloc_bad(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
