\echo Use "CREATE EXTENSION mem_guarded" to load this file. \quit

-- So many bytes are written behind a chunk in a context of that kind.
CREATE FUNCTION overrun_in_bad(kind text, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION overrun_in_ok(kind text, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION overrun_in_decoy(kind text, by int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A byte of a chunk is written to after pfree.
CREATE FUNCTION freed_write_bad(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION freed_write_ok(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION freed_write_decoy(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- As freed_write, after free.
CREATE FUNCTION heap_freed_write_bad(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION heap_freed_write_ok(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION heap_freed_write_decoy(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- One of two copies of a pointer is used after the other was freed.
CREATE FUNCTION moved_write_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION moved_write_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION moved_write_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- repalloc of a chunk that was freed.
CREATE FUNCTION grown_again_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION grown_again_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION grown_again_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- realloc of what palloc has given.
CREATE FUNCTION grown_by_realloc_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION grown_by_realloc_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION grown_by_realloc_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A chunk that lives with the session is freed, and written to in another statement.
CREATE FUNCTION keep_freed() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION write_kept() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- So many chunks are allocated and freed.
CREATE FUNCTION churn(times int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
