\echo Use "CREATE EXTENSION my_ext" to load this file. \quit

-- the length of a word, which is remembered
CREATE FUNCTION lookup(word text) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'my_ext_lookup';

-- the same, with a context that is not deleted
CREATE FUNCTION scratch(word text) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'my_ext_scratch';

-- a copy without room for its end
CREATE FUNCTION copy(word text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'my_ext_copy';
