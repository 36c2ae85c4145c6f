\echo Use "CREATE EXTENSION shared_other" to load this file. \quit

-- A byte so far from the segment's start is written.
CREATE FUNCTION other_bad(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION other_ok(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
