\echo Use "CREATE EXTENSION mem_ledger" to load this file. \quit

-- What is kept is kept in TopMemoryContext, unless said otherwise.

-- A ring of 64 entries of so many bytes: the new one is allocated before the old one is freed, after it, in a context of its
-- own, or by malloc. leak bytes are forgotten beside it in every call.
CREATE FUNCTION ring(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION ring_frees_first(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION ring_of_contexts(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION ring_malloc(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- One thing that is kept and replaced in every call: a chunk, by another or by repalloc, a context that is deleted and made
-- again, one that is reset and filled again, a hash table, what malloc gave.
CREATE FUNCTION replaced(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION replaced_repalloc(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION replaced_context(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION replaced_reset(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION replaced_hash(entries int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION replaced_malloc(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Forgets so many bytes, and frees as many that the server has allocated on its own account.
CREATE FUNCTION leaks_beside_the_server(bytes int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Creates n contexts below TopMemoryContext and puts nothing into them; deletes them again; or creates one whose name is
-- freed, or overwritten, at once.
CREATE FUNCTION empty_contexts(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION empty_contexts_ok(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION freed_name(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION freed_name_ok(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION unmapped_name() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION overwritten_name(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Forgets so many bytes.
CREATE FUNCTION forgets(bytes int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- n contexts of a kind below the current one: 'aset', 'generation', 'slab', 'bump' (from PostgreSQL 17 on; before, as
-- 'generation'), 'keeper'. Something is allocated in each and the context is reset, but not deleted; or deleted.
CREATE FUNCTION piles(kind text, n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION piles_ok(kind text, n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- An allocator of its own, which cuts pieces of 100 bytes out of 64 kB that it maps: what is kept, what is given back with
-- all of its arena, and what is always cut out of the same arena.
CREATE FUNCTION arena(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION arena_ok(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION arena_reused(n int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
-- An arena that is unmapped and mapped anew in every call; leak is not 0 where another one is forgotten.
CREATE FUNCTION replaced_arena(bytes int, leak int DEFAULT 0) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
-- An arena that is enlarged by mremap with every call.
CREATE FUNCTION arena_grows() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
-- A file is mapped and stays so.
CREATE FUNCTION maps_a_file() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
