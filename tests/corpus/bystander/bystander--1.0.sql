\echo Use "CREATE EXTENSION bystander" to load this file. \quit

CREATE FUNCTION shout(text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- The name of a relation, by a catalog scan, and its size in blocks
CREATE FUNCTION name_of(regclass) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;
CREATE FUNCTION blocks_of(regclass) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- The first column of the first row of a query, by SPI with a plan that is kept by its text
CREATE FUNCTION ask(text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

CREATE FUNCTION numbers(int) RETURNS SETOF int AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION pairs(int, OUT n int, OUT name text) RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT;

CREATE FUNCTION joined_transition(internal, text) RETURNS internal AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE;
CREATE FUNCTION joined_final(internal) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE;
CREATE AGGREGATE joined(text) (SFUNC = joined_transition, STYPE = internal, FINALFUNC = joined_final);

-- Upper case for the column "name"
CREATE FUNCTION upper_name() RETURNS trigger AS 'MODULE_PATHNAME' LANGUAGE C;

-- Raises an error of SQLSTATE BY001.
CREATE FUNCTION refuse(text) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
