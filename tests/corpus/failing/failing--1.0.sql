\echo Use "CREATE EXTENSION failing" to load this file. \quit

-- In threes: NAME_bad is not ready for a failed allocation, NAME_ok is the same with the bug mended, NAME_decoy looks like it and is
-- allowed. All of them are right as long as nothing fails.

-- the text, by way of malloc, whose result is not looked at
CREATE FUNCTION unchecked_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION unchecked_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION unchecked_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- what a hash table has for the key, to which an entry is added
CREATE FUNCTION half_entry_bad(key text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION half_entry_ok(key text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION half_entry_decoy(key text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- how many items there are, with this one, in a list that is longer before it has the item
CREATE FUNCTION counted_list_bad(item text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION counted_list_ok(item text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION counted_list_decoy(item text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- what was said last, which is given back before there is something in its place
CREATE FUNCTION replaced_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION replaced_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION replaced_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, by way of malloc'ed memory that is not freed where what comes after it fails
CREATE FUNCTION kept_malloc_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_malloc_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_malloc_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, made under an LWLock that is not released where that fails
CREATE FUNCTION kept_lock_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_lock_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_lock_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, made under an advisory lock of the session
CREATE FUNCTION kept_advisory_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_advisory_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_advisory_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, made with a relation open that is not closed where that fails
CREATE FUNCTION kept_reference_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_reference_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_reference_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, by way of a context that stays current where that fails
CREATE FUNCTION kept_switched_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_switched_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_switched_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, by a function that knows that it is at work
CREATE FUNCTION kept_flag_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_flag_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_flag_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, by way of malloc that is called until it has something
CREATE FUNCTION again_and_again_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION again_and_again_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION again_and_again_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the size of a segment of dynamic shared memory that is created, and gone again
CREATE FUNCTION no_segment_bad(bytes bigint) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_segment_ok(bytes bigint) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_segment_decoy(bytes bigint) RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, by way of SPI, under a count of how many queries are under way
CREATE FUNCTION queried_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION queried_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION queried_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text, or nothing, which is an answer too, where there is no memory
CREATE FUNCTION no_answer_bad(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_answer_ok(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_answer_decoy(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- another number at each call, which says nothing about failures; bytes that are lost at each call, as if nothing had failed
CREATE FUNCTION calls() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION loses(bytes int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the text after so many allocations of each kind, in this order: palloc, a list, a node, a string, malloc, a context, NO_OOM
CREATE FUNCTION all_kinds(t text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
