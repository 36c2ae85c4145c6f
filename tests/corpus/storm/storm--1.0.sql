\echo Use "CREATE EXTENSION storm" to load this file. \quit

-- Takes so many steps, each of which allocates, enlarges or gives back one of at most `live` chunks, or empties a context, by chance
-- that `seed` decides. What is in a chunk is compared with what was written into it, and what the server says of it with what it
-- is; what differs is an ERROR. It gives how many chunks were allocated. Nothing is left.
CREATE FUNCTION storm(steps bigint, live int, seed int DEFAULT 1) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Allocates so many chunks of 64 bytes by palloc, or by malloc, and leaves them until keep(0) and hold(0).
CREATE FUNCTION keep(number int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION hold(number int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Asks a context whose chunks have 64 bytes for another size, or a chunk of it to get another; both fail.
CREATE FUNCTION slab_of_another_size(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION slab_to_another_size(size int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Gives a chunk of a bump context to pfree, which fails; from 17 on.
CREATE FUNCTION bump_freed() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
