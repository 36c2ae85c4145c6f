\echo Use "CREATE EXTENSION hunted_fixed" to load this file. \quit

CREATE FUNCTION empty_text_fixed(text) RETURNS integer
AS 'MODULE_PATHNAME', 'empty_text_good' LANGUAGE C STRICT;

CREATE FUNCTION largest_integer_fixed(integer) RETURNS integer
AS 'MODULE_PATHNAME', 'largest_integer_good' LANGUAGE C STRICT;

CREATE FUNCTION empty_array_fixed(integer[]) RETURNS integer
AS 'MODULE_PATHNAME', 'empty_array_good' LANGUAGE C STRICT;

CREATE FUNCTION four_bytes_fixed(text) RETURNS integer
AS 'MODULE_PATHNAME', 'four_bytes_good' LANGUAGE C STRICT;

CREATE FUNCTION failing_fixed(integer) RETURNS integer
AS 'MODULE_PATHNAME', 'failing_good' LANGUAGE C STRICT;

CREATE FUNCTION second_call_fixed() RETURNS integer
AS 'MODULE_PATHNAME', 'second_call_good' LANGUAGE C STRICT;

CREATE FUNCTION abandoned_fixed() RETURNS SETOF integer
AS 'MODULE_PATHNAME', 'abandoned_good' LANGUAGE C STRICT;

CREATE FUNCTION rolled_back_fixed() RETURNS integer
AS 'MODULE_PATHNAME', 'rolled_back_good' LANGUAGE C STRICT;

CREATE FUNCTION misread_fixed(text) RETURNS integer
AS 'MODULE_PATHNAME', 'misread_good' LANGUAGE C STRICT;

CREATE FUNCTION unlike_fixed(integer) RETURNS integer
AS 'MODULE_PATHNAME', 'unlike_good' LANGUAGE C STRICT IMMUTABLE;

-- What a hunt cannot look at, and has to say so
CREATE FUNCTION takes_a_while() RETURNS void
AS 'SELECT pg_sleep(0.4)' LANGUAGE sql;

CREATE FUNCTION takes_an_enum(anyenum) RETURNS integer
AS 'SELECT 1' LANGUAGE sql;
