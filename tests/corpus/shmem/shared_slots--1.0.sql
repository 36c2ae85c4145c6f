\echo Use "CREATE EXTENSION shared_slots" to load this file. \quit

-- d19: a slot of 16 is written, and none is checked.
CREATE FUNCTION d19_bad(slot int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;
CREATE FUNCTION d19_ok(slot int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;

-- A counter is put into one of 8 slots, by the remainder of a division by 9.
CREATE FUNCTION remainder_bad(number int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION remainder_ok(number int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The segment was asked for without the array at its end.
CREATE FUNCTION array_bad(number int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION array_ok(number int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The zero behind a text that fills the segment, which is a line of the processor's cache.
CREATE FUNCTION text_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION text_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 64 bytes, of which the first lies 8 bytes behind the end.
CREATE FUNCTION block_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION block_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- One byte, 30 bytes behind a segment of one byte.
CREATE FUNCTION behind_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION behind_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- One byte of a segment that has none.
CREATE FUNCTION empty_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION empty_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- 8 bytes before a segment.
CREATE FUNCTION front_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION front_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A byte so far from the start of a segment of 128 bytes.
CREATE FUNCTION jump_bad(at int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A number behind a segment, by a function that raises an error then.
CREATE FUNCTION failing_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION failing_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- An entry of a hash table is longer than the table knows.
CREATE FUNCTION entry_bad(key int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION entry_ok(key int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- d19 by a background worker that is waited for.
CREATE FUNCTION worker_bad(slot int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION worker_ok(slot int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- One byte behind a segment that was made by the first call, long after the server started.
CREATE FUNCTION late_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION late_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- One byte behind a segment of 1 GB, where shared_slots.giga is on.
CREATE FUNCTION giga_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION giga_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Each segment is filled to its last byte, and read beyond it.
CREATE FUNCTION full_decoy() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The last byte of "shared probed", of which nobody has a use; or the one before it.
CREATE FUNCTION probed_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION probed_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A segment is asked for again, with that size: whether it is there, and the same.
CREATE FUNCTION asked_again(segment text, bytes int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
