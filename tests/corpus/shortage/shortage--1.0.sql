\echo Use "CREATE EXTENSION shortage" to load this file. \quit

-- Has the session's process have so much address space (MB) at most; 0 for as much as it wants. It gives how much it has (MB).
CREATE FUNCTION address_space(megabytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Takes all memory that there is, but for so many kilobytes, and gives it back.
CREATE FUNCTION fill(spare int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION release() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Leaves n chunks of so many bytes in TopMemoryContext.
CREATE FUNCTION leak(bytes int, n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Leaves n chunks of so many bytes on the heap.
CREATE FUNCTION leak_heap(bytes int, n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Leaves n contexts below TopMemoryContext.
CREATE FUNCTION contexts(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Returns with another context as CurrentMemoryContext.
CREATE FUNCTION other_context() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Leaves a chunk of so many bytes in TopMemoryContext of every process of a parallel query.
CREATE FUNCTION leak_in_workers(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;

GRANT USAGE ON SCHEMA shortage TO PUBLIC;
