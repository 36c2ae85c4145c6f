-- Each _bad leaves something behind with every call, in memory that a function of the server takes for it.
CREATE FUNCTION output_bad() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION output_ok() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION on_detach_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION on_detach_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
-- A list and a string that become longer with every call: they double, ever more seldom.
CREATE FUNCTION list_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION list_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION string_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION string_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
