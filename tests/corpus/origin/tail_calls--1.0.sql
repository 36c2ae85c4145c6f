\echo Use "CREATE EXTENSION tail_calls" to load this file. \quit

-- SELECT last_WHAT_bad(bytes) leaves what the last call of the function has made, and gives its address. Three libraries.

CREATE FUNCTION last_alloc_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_alloc_ok(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_alloc_other_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_helper_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_either_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_string_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_malloc_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_calloc_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_strdup_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_deep_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_context_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_lookup_ok(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION callback_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION last_pointer_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;
CREATE FUNCTION callbacks_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls' LANGUAGE C STRICT;

-- Compiled with -O3 -fno-plt -fcf-protection -fomit-frame-pointer
CREATE FUNCTION o3_last_alloc_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_alloc_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_alloc_ok(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_alloc_ok' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_alloc_other_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_alloc_other_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_helper_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_helper_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_either_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_either_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_string_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_string_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_malloc_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_malloc_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_calloc_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_calloc_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_strdup_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_strdup_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_deep_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_deep_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_context_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_context_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_lookup_ok(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_lookup_ok' LANGUAGE C STRICT;
CREATE FUNCTION o3_callback_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'callback_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_last_pointer_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'last_pointer_bad' LANGUAGE C STRICT;
CREATE FUNCTION o3_callbacks_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_o3', 'callbacks_bad' LANGUAGE C STRICT;

-- In C++
CREATE FUNCTION last_new_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_cxx' LANGUAGE C STRICT;
CREATE FUNCTION last_new_ok(bytes int) RETURNS bigint AS '$libdir/tail_calls_cxx' LANGUAGE C STRICT;
CREATE FUNCTION last_alloc_cxx_bad(bytes int) RETURNS bigint AS '$libdir/tail_calls_cxx' LANGUAGE C STRICT;
