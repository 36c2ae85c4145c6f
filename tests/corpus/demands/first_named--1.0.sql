\echo Use "CREATE EXTENSION first_named" to load this file. \quit

CREATE FUNCTION remember(bytes int) RETURNS void
AS 'MODULE_PATHNAME', 'first_named_remember' LANGUAGE C STRICT;

CREATE FUNCTION forget(bytes int) RETURNS void
AS 'MODULE_PATHNAME', 'first_named_forget' LANGUAGE C STRICT;
