\echo Use "CREATE EXTENSION driven" to load this file. \quit

CREATE FUNCTION of_name(text) RETURNS oid
AS 'MODULE_PATHNAME', 'of_name_bad' LANGUAGE C STRICT;

CREATE FUNCTION by_key(text) RETURNS integer
AS 'MODULE_PATHNAME', 'by_key_bad' LANGUAGE C STRICT;

CREATE FUNCTION by_size(text) RETURNS integer
AS 'MODULE_PATHNAME', 'by_size_bad' LANGUAGE C STRICT;

CREATE FUNCTION of_table(regclass) RETURNS bigint
AS 'MODULE_PATHNAME', 'of_table_bad' LANGUAGE C STRICT;

CREATE FUNCTION planned() RETURNS integer
AS 'MODULE_PATHNAME', 'planned_bad' LANGUAGE C STRICT;

CREATE FUNCTION by_parameter() RETURNS integer
AS 'MODULE_PATHNAME', 'by_parameter_bad' LANGUAGE C STRICT;

CREATE PROCEDURE refuses(integer)
AS 'MODULE_PATHNAME', 'refuses_bad' LANGUAGE C;
