\echo Use "CREATE EXTENSION hunted" to load this file. \quit

CREATE FUNCTION empty_text(text) RETURNS integer
AS 'MODULE_PATHNAME', 'empty_text_bad' LANGUAGE C STRICT;

CREATE FUNCTION largest_integer(integer) RETURNS integer
AS 'MODULE_PATHNAME', 'largest_integer_bad' LANGUAGE C STRICT;

CREATE FUNCTION empty_array(integer[]) RETURNS integer
AS 'MODULE_PATHNAME', 'empty_array_bad' LANGUAGE C STRICT;

CREATE FUNCTION four_bytes(text) RETURNS integer
AS 'MODULE_PATHNAME', 'four_bytes_bad' LANGUAGE C STRICT;

CREATE FUNCTION failing(integer) RETURNS integer
AS 'MODULE_PATHNAME', 'failing_bad' LANGUAGE C STRICT;

CREATE FUNCTION second_call() RETURNS integer
AS 'MODULE_PATHNAME', 'second_call_bad' LANGUAGE C STRICT;

CREATE FUNCTION abandoned() RETURNS SETOF integer
AS 'MODULE_PATHNAME', 'abandoned_bad' LANGUAGE C STRICT;

CREATE FUNCTION rolled_back() RETURNS integer
AS 'MODULE_PATHNAME', 'rolled_back_bad' LANGUAGE C STRICT;

CREATE FUNCTION misread(text) RETURNS integer
AS 'MODULE_PATHNAME', 'misread_bad' LANGUAGE C STRICT;

CREATE FUNCTION unlike(integer) RETURNS integer
AS 'MODULE_PATHNAME', 'unlike_bad' LANGUAGE C STRICT IMMUTABLE;
