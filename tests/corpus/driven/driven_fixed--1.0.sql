\echo Use "CREATE EXTENSION driven_fixed" to load this file. \quit

CREATE FUNCTION of_name_fixed(text) RETURNS oid
AS 'MODULE_PATHNAME', 'of_name_good' LANGUAGE C STRICT;

CREATE FUNCTION by_key_fixed(text) RETURNS integer
AS 'MODULE_PATHNAME', 'by_key_good' LANGUAGE C STRICT;

CREATE FUNCTION by_size_fixed(text) RETURNS integer
AS 'MODULE_PATHNAME', 'by_size_good' LANGUAGE C STRICT;

CREATE FUNCTION of_table_fixed(regclass) RETURNS bigint
AS 'MODULE_PATHNAME', 'of_table_good' LANGUAGE C STRICT;

CREATE FUNCTION planned_fixed() RETURNS integer
AS 'MODULE_PATHNAME', 'planned_good' LANGUAGE C STRICT;

CREATE FUNCTION by_parameter_fixed() RETURNS integer
AS 'MODULE_PATHNAME', 'by_parameter_good' LANGUAGE C STRICT;

CREATE PROCEDURE refuses_fixed(integer)
AS 'MODULE_PATHNAME', 'refuses_good' LANGUAGE C;

-- What remembers something that there is an end of
CREATE FUNCTION of_type_fixed(anyelement) RETURNS bigint
AS 'MODULE_PATHNAME', 'of_type' LANGUAGE C STRICT;

-- What is asked for the same with another argument each time
CREATE FUNCTION number_fixed() RETURNS integer VOLATILE LANGUAGE sql AS 'SELECT (random() * 1000000000)::integer';
CREATE FUNCTION same_fixed(integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT $1';
