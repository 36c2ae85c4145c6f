\echo Use "CREATE EXTENSION mem_curves" to load this file. \quit

-- Leaks so many bytes at every call whose number is a multiple of the period.
CREATE FUNCTION every(period int, bytes int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Remembers 100 bytes for a key. The oldest key makes room when there are so many; 0 is no bound, and a leak.
CREATE FUNCTION remember(key int, bound int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Enters a key, modulo the bound, into a hash table, which grows by blocks; 0 is no bound, and a leak.
CREATE FUNCTION enter(key int, bound int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Appends to a list, which is enlarged by doubling and starts anew when it has so many members.
CREATE FUNCTION append(key int, bound int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Makes a hundred bytes of garbage on the heap, three allocations, as a language's runtime does. It is collected when there
-- are so many bytes of it; with 0 never, which is a leak.
CREATE FUNCTION litter(heap int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Makes a context of 8 kB with five bytes in it, and deletes it or not.
CREATE FUNCTION leave_context(deleted bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Handles so many items of 64 bytes, and frees what it holds when that are as many as a batch; 0 is all at the end.
CREATE FUNCTION handle(items int, batch int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The same with a context of 8 kB for each item.
CREATE FUNCTION handle_in_contexts(items int, batch int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Collects integers: the state is an allocation for each row. Of those that are squared the state grows by as many
-- bytes as there are rows.
CREATE FUNCTION collect_sfunc(internal, int) RETURNS internal AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION squared_sfunc(internal, int) RETURNS internal AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION collect_ffunc(internal) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE AGGREGATE collect(int) (SFUNC = collect_sfunc, STYPE = internal, FINALFUNC = collect_ffunc);
CREATE AGGREGATE collect_squared(int) (SFUNC = squared_sfunc, STYPE = internal, FINALFUNC = collect_ffunc);

-- Starts a background worker "mem_curves jobs_bad" or "mem_curves jobs_ok", which runs until it is terminated, and returns its
-- pid: a transaction every 5 ms, and a job of 88 bytes in every 20th of them, which only the second one frees.
CREATE FUNCTION launch_jobs(ok bool) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
