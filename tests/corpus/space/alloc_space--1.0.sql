\echo Use "CREATE EXTENSION alloc_space" to load this file. \quit

-- SELECT of_FUNCTION(bytes, n) makes n chunks of so many bytes by the function in its name and leaves them, in TopMemoryContext,
-- in a context below it, or on the heap. It gives how many it has got and the least space that one of them takes (bytes):
-- what the allocator says, or in a bump context the distance between two. A function that gives null where there is no
-- memory is asked on; the others raise an ERROR.
--
-- The first call in a session makes the context that the function needs.

CREATE FUNCTION of_palloc(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_palloc0(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_no_oom(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_huge(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_generation(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- In a context whose chunks all have 64 bytes, which is all that can be asked for
CREATE FUNCTION of_slab(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- From PostgreSQL 17 on
CREATE FUNCTION of_bump(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- One chunk, which grows n times, to so many bytes in the end. What it held is checked each time. They give how often it
-- has grown, and its space in the end.
CREATE FUNCTION of_repalloc(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_realloc(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE FUNCTION of_malloc(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_calloc(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_posix_memalign(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_aligned_alloc(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_memalign(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Asks for as much as palloc gives, and frees it.
CREATE FUNCTION of_largest(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- n allocations in ErrorContext, and n in a critical section
CREATE FUNCTION of_error_context(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION of_critical_section(bytes int, n int) RETURNS int[] AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
