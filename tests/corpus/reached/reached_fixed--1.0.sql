\echo Use "CREATE EXTENSION reached_fixed" to load this file. \quit

CREATE TYPE reached_fixed_tag;
CREATE FUNCTION reached_fixed_in(cstring) RETURNS reached_fixed_tag AS 'MODULE_PATHNAME', 'tagged_in' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_fixed_out(reached_fixed_tag) RETURNS cstring AS 'MODULE_PATHNAME', 'tagged_out' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_fixed_send(reached_fixed_tag) RETURNS bytea AS 'MODULE_PATHNAME', 'tagged_send' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_fixed_recv(internal) RETURNS reached_fixed_tag AS 'MODULE_PATHNAME', 'tagged_recv' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_fixed_typmod_in(cstring[]) RETURNS integer AS 'MODULE_PATHNAME', 'tagged_typmod_in' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_fixed_typmod_out(integer) RETURNS cstring AS 'MODULE_PATHNAME', 'tagged_typmod_out' LANGUAGE C IMMUTABLE STRICT;
CREATE TYPE reached_fixed_tag (
    INPUT = reached_fixed_in, OUTPUT = reached_fixed_out, SEND = reached_fixed_send, RECEIVE = reached_fixed_recv,
    TYPMOD_IN = reached_fixed_typmod_in, TYPMOD_OUT = reached_fixed_typmod_out, STORAGE = extended
);

CREATE FUNCTION reached_fixed_call() RETURNS language_handler AS 'MODULE_PATHNAME', 'language_call' LANGUAGE C;
CREATE FUNCTION reached_fixed_inline(internal) RETURNS void AS 'MODULE_PATHNAME', 'language_inline' LANGUAGE C STRICT;
CREATE FUNCTION reached_fixed_validator(oid) RETURNS void AS 'MODULE_PATHNAME', 'language_validator' LANGUAGE C STRICT;
CREATE LANGUAGE plreached_fixed HANDLER reached_fixed_call INLINE reached_fixed_inline VALIDATOR reached_fixed_validator;

CREATE FUNCTION reached_fixed_options(text[], oid) RETURNS void AS 'MODULE_PATHNAME', 'wrapper_validator' LANGUAGE C STRICT;
CREATE FOREIGN DATA WRAPPER reached_fixed VALIDATOR reached_fixed_options;

CREATE FUNCTION reached_fixed_init(internal) RETURNS internal AS 'MODULE_PATHNAME', 'dictionary_init' LANGUAGE C STRICT;
CREATE FUNCTION reached_fixed_lexize(internal, internal, internal, internal) RETURNS internal AS 'MODULE_PATHNAME', 'dictionary_lexize' LANGUAGE C STRICT;
CREATE TEXT SEARCH TEMPLATE reached_fixed (INIT = reached_fixed_init, LEXIZE = reached_fixed_lexize);
CREATE TEXT SEARCH DICTIONARY reached_fixed (TEMPLATE = reached_fixed);
