\echo Use "CREATE EXTENSION multi" to load this file. \quit

-- Each *_bad keeps 100 bytes a call in TopMemoryContext.
CREATE FUNCTION main_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION main_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- Another library of the extension
CREATE FUNCTION helper_bad() RETURNS void AS '$libdir/multi_helper' LANGUAGE C;
CREATE FUNCTION helper_ok() RETURNS void AS '$libdir/multi_helper' LANGUAGE C;

-- A library that the first one loads, of which the catalogs know nothing
CREATE FUNCTION tsl_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION tsl_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
