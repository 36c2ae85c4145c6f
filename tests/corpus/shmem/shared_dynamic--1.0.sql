\echo Use "CREATE EXTENSION shared_dynamic" to load this file. \quit

-- A segment of so many bytes is filled, and one more is written or not; then it is given back.
CREATE FUNCTION past_bad(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION past_ok(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A queue is said to be longer than its segment.
CREATE FUNCTION queue_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION queue_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- All of it is filled and read beyond.
CREATE FUNCTION full_decoy(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A segment that stays, its handle and its size; a byte of it is written; it is given back.
CREATE FUNCTION keep(size int) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_length(handle bigint) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_write(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION give_back(handle bigint) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A byte of a segment of 100 bytes that has a name; from 17 on.
CREATE FUNCTION named_write(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
-- The same segment with a size of another's.
CREATE FUNCTION named_size(size int) RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
