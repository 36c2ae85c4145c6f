/* tests/corpus/lifecycle/lifecycle--1.0.sql */

\echo Use "CREATE EXTENSION lifecycle" to load this file. \quit

-- A segment is pinned for each call, for each backend, or by whoever is the first to want it. The mended one unpins it.
CREATE FUNCTION pin(kb int) RETURNS bigint LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_pin';
CREATE FUNCTION pin_bad(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_pin_bad';
CREATE FUNCTION pin_ok(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_pin_ok';
CREATE FUNCTION backend_bad(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_backend_bad';
CREATE FUNCTION backend_ok(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_backend_ok';

-- What another one has made is attached, and not detached.
CREATE FUNCTION attach_bad(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_attach_bad';
CREATE FUNCTION attach_ok(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_attach_ok';

-- The worker that a segment was pinned for is refused. Whether there was one.
CREATE FUNCTION refused_bad(kb int) RETURNS bool LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_refused_bad';
CREATE FUNCTION refused_ok(kb int) RETURNS bool LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_refused_ok';

-- It is handed to a worker, which unpins it and detaches from it some time later.
CREATE FUNCTION hand_on(kb int) RETURNS bool LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_hand_on';

-- A queue is detached from, and its segment is not.
CREATE FUNCTION queue_bad(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_queue_bad';
CREATE FUNCTION queue_ok(kb int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_queue_ok';

-- An area for each call; a chunk of one that is lost; an entry of a hash table.
CREATE FUNCTION area_bad() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_area_bad';
CREATE FUNCTION area_ok() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_area_ok';
CREATE FUNCTION chunk_bad(bytes int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_chunk_bad';
CREATE FUNCTION chunk_ok(bytes int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_chunk_ok';
CREATE FUNCTION entry_bad() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_entry_bad';
CREATE FUNCTION entry_ok() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_entry_ok';
CREATE FUNCTION entry_found() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_entry_found';
CREATE FUNCTION entry_scanned() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_entry_scanned';
CREATE FUNCTION table_destroyed() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_table_destroyed';

-- A segment of the registry: from 17 on. One name for all, or one for each call.
CREATE FUNCTION named_ok() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_named_ok';
CREATE FUNCTION named_bad() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_named_bad';
CREATE FUNCTION named_area_bad() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_named_area_bad';
CREATE FUNCTION named_chunk_bad(bytes int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_named_chunk_bad';
CREATE FUNCTION named_chunk_ok(bytes int) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_named_chunk_ok';
CREATE FUNCTION named_entry_bad() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_named_entry_bad';
CREATE FUNCTION named_entry_ok() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'lifecycle_named_entry_ok';
