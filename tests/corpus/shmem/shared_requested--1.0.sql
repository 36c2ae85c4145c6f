\echo Use "CREATE EXTENSION shared_requested" to load this file. \quit

-- A byte behind a segment of 1000 bytes, or its last one.
CREATE FUNCTION requested_plain_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_plain_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- A byte before one of 256 bytes, and behind it; its first and its last one.
CREATE FUNCTION requested_front_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_line_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_line_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- The same of one that begins where a page does, from 19 on.
CREATE FUNCTION requested_page_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_page_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- A byte behind the last entry of a hash table, or all entries of two.
CREATE FUNCTION requested_table_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_table_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- A segment that is asked for by the first session that wants it, and two at once.
CREATE FUNCTION requested_late_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_late_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_first_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_last_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION requested_pair_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
