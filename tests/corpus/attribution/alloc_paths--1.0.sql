\echo Use "CREATE EXTENSION alloc_paths" to load this file. \quit

-- SELECT via_PATH(n) leaves chunks in TopMemoryContext, along the path in its name, and returns n where nothing else is
-- said. The site is the function of the library that is nearest to the allocator. Bytes are requested bytes per chunk,
-- the same on all versions. via_PATH(0) leaves nothing: call it first, so that what the session needs once (the library,
-- the stack of SPI, syscache entries) is there.
--
-- path                       chunks   bytes per chunk       site
-- via_palloc                 n        40                    via_palloc
-- via_palloc0                n        41                    via_palloc0
-- via_palloc_extended        n        42                    via_palloc_extended
-- via_huge                   n        43                    via_huge
-- via_own_block              n        20000                 via_own_block
-- via_repalloc               n        200                   palloc_and_repalloc
-- via_repalloc_own_block     n        30000                 palloc_and_repalloc
-- via_tail_call              n        57                    via_tail_call: the helper it calls has no frame
-- via_function_table         n        48                    via_function_table
-- via_freed                  0
-- via_pstrdup                n        31                    via_pstrdup
-- via_make_node              n        8                     via_make_node
-- via_psprintf               n        128                   via_psprintf
-- via_psprintf_long          n        300                   via_psprintf_long; a first try of 128 is freed
-- via_lappend                2 n      64, 128               append_cells; a list of 6 cells
-- via_string_info            n        4096                  append_text
-- via_dynahash               5 n      114, 848, 2048, 2048, 32   create_table_of_one
-- via_qsort                  n        44                    allocating_compare, below the server's qsort
-- via_libc_qsort             n        44                    allocating_compare, below that of the C library
-- via_libc_bsearch           n        44                    allocating_compare
-- via_reset_callback         n        47                    allocating_reset_callback
-- via_spi_palloc             n        49                    via_spi_palloc
-- via_nested_query           n        40                    via_palloc, in a query of via_nested_query
-- via_planner_hook           n        50                    allocating_planner
-- via_executor_start_hook    n        51                    allocating_ExecutorStart
-- via_executor_end_hook      n        52                    allocating_ExecutorEnd, at the end of the calling query
-- via_xact_callback          n        53                    allocating_xact_callback, at the end of the transaction
-- via_background_worker      n        54                    allocating_worker, in the process whose pid it returns
--
-- via_dynahash creates n hash tables of one entry each, every one in a context "dynahash" of its own below
-- TopMemoryContext: the table with its name, its header, its directory, a segment and an element.
--
-- The compiler may add a suffix to the name of a site that is a static function, as in append_cells.constprop.0.
--
-- What the core_... functions make the server allocate is its own: nothing of it may be charged to the library.

CREATE FUNCTION via_palloc(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_palloc0(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_palloc_extended(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_huge(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_own_block(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_repalloc(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_repalloc_own_block(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_tail_call(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_function_table(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_freed(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_pstrdup(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_make_node(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_psprintf(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_psprintf_long(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_lappend(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_string_info(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_dynahash(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_qsort(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_libc_qsort(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_libc_bsearch(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_reset_callback(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_spi_palloc(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_nested_query(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_planner_hook(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_executor_start_hook(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_executor_end_hook(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION via_xact_callback(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Returns the pid of a worker, which runs until it is terminated.
CREATE FUNCTION via_background_worker(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- n new negative entries in a catalog cache
CREATE FUNCTION core_syscache(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION core_syscache_exists(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- A catalog cache's list of the functions of a name. Returns their number.
CREATE FUNCTION core_syscache_list(name text) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The relation cache's entry of a relation
CREATE FUNCTION core_relation_open(relation regclass) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- The type cache's entry of a type
CREATE FUNCTION core_typcache(type regtype) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- All that running a query takes
CREATE FUNCTION core_spi_execute(query text) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- Runs a saved plan, whose sixth execution may make a generic plan. The first call in a session saves it, and then it is the
-- library's.
CREATE FUNCTION core_spi_plan(arguments int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- n errors, each caught and flushed
CREATE FUNCTION core_error(n int) RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
