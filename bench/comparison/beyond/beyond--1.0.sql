\echo Use "CREATE EXTENSION beyond" to load this file. \quit

-- In pairs: NAME_bad has the bug, NAME_ok is the same with the bug mended.

-- a branch that depends on a byte that nobody has written, in a chunk of palloc or in memory of malloc
CREATE FUNCTION unwritten_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION unwritten_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION heap_unwritten_bad() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION heap_unwritten_ok() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C;

-- a byte behind an array of 64: on the stack, static, and within a struct
CREATE FUNCTION stack_bad(length int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION stack_ok(length int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION static_bad(length int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION static_ok(length int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION inside_bad(length int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION inside_ok(length int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
