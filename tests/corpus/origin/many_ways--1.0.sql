\echo Use "CREATE EXTENSION many_ways" to load this file. \quit

-- All of them allocate by one function of the library. What it has made is given back, kept of the first call only, gone with the
-- query, kept of each row, or kept of each call.
CREATE FUNCTION gives_back(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION keeps_one(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION goes_with_query(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION keeps_in_trigger() RETURNS trigger AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION keeps_deep(calls int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
