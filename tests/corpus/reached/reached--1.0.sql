\echo Use "CREATE EXTENSION reached" to load this file. \quit

CREATE TYPE reached_tag;
CREATE FUNCTION reached_in(cstring) RETURNS reached_tag AS 'MODULE_PATHNAME', 'tagged_in' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_out(reached_tag) RETURNS cstring AS 'MODULE_PATHNAME', 'tagged_out' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_send(reached_tag) RETURNS bytea AS 'MODULE_PATHNAME', 'tagged_send' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_recv(internal) RETURNS reached_tag AS 'MODULE_PATHNAME', 'tagged_recv' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_typmod_in(cstring[]) RETURNS integer AS 'MODULE_PATHNAME', 'tagged_typmod_in' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION reached_typmod_out(integer) RETURNS cstring AS 'MODULE_PATHNAME', 'tagged_typmod_out' LANGUAGE C IMMUTABLE STRICT;
CREATE TYPE reached_tag (
    INPUT = reached_in, OUTPUT = reached_out, SEND = reached_send, RECEIVE = reached_recv,
    TYPMOD_IN = reached_typmod_in, TYPMOD_OUT = reached_typmod_out, STORAGE = extended
);

CREATE FUNCTION reached_call() RETURNS language_handler AS 'MODULE_PATHNAME', 'language_call' LANGUAGE C;
CREATE FUNCTION reached_inline(internal) RETURNS void AS 'MODULE_PATHNAME', 'language_inline' LANGUAGE C STRICT;
CREATE FUNCTION reached_validator(oid) RETURNS void AS 'MODULE_PATHNAME', 'language_validator' LANGUAGE C STRICT;
CREATE LANGUAGE plreached HANDLER reached_call INLINE reached_inline VALIDATOR reached_validator;

CREATE FUNCTION reached_options(text[], oid) RETURNS void AS 'MODULE_PATHNAME', 'wrapper_validator' LANGUAGE C STRICT;
CREATE FOREIGN DATA WRAPPER reached VALIDATOR reached_options;

CREATE FUNCTION reached_init(internal) RETURNS internal AS 'MODULE_PATHNAME', 'dictionary_init' LANGUAGE C STRICT;
CREATE FUNCTION reached_lexize(internal, internal, internal, internal) RETURNS internal AS 'MODULE_PATHNAME', 'dictionary_lexize' LANGUAGE C STRICT;
CREATE TEXT SEARCH TEMPLATE reached (INIT = reached_init, LEXIZE = reached_lexize);
CREATE TEXT SEARCH DICTIONARY reached (TEMPLATE = reached);
