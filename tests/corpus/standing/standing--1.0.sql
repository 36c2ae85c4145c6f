\echo Use "CREATE EXTENSION standing" to load this file. \quit

-- What is left in contexts of the server's own that live as long as the backend. The first group only makes the server fill its
-- caches. Each function of the second loses something there at every call.

CREATE FUNCTION size_of(regclass) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION next_of(regclass) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION write_wal(int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION describe(regclass) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION format_number(int, text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION matches(text, text) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION record_of(int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION lock_key(int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION resolve(text) RETURNS oid AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION configure(text) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The server's heap, with functions of the library around some of its own
CREATE FUNCTION heap_handler(internal) RETURNS table_am_handler AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE ACCESS METHOD standing_heap TYPE TABLE HANDLER heap_handler;

-- function                what it loses
-- leak_in_cache           100 bytes in CacheMemoryContext
-- leak_while_current      a string that a function of the server makes while CacheMemoryContext is current
-- leak_in_index_info      60 bytes in the context of an index's relcache entry
-- leak_callback           what RegisterXactCallback keeps
-- leak_cell               a list in TopMemoryContext, the cells of which are added while another context is current
-- leak_text               a StringInfo in TopMemoryContext, the text of which is added in the same way
-- leak_entry              an entry of a hash table of its own
-- leak_function           a look-up of a function, kept in TopMemoryContext
-- leak_expression         an expression, in an executor state that is kept
-- leak_owner              a resource owner
-- leak_slot               a slot, made while TopMemoryContext is current
CREATE FUNCTION leak_in_cache() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_while_current(regclass) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_in_index_info(regclass) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_callback() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_cell(int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_text(text) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_entry(int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_function() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_expression() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_owner() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION leak_slot(regclass) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
