/* tests/corpus/crash/crash--1.0.sql */

\echo Use "CREATE EXTENSION crash" to load this file. \quit

-- Ends this process at once. How: segfault, abort, kill, panic, fatal, exit (code 1), exit_0, _exit (code 2), _exit_0; or nothing.
CREATE FUNCTION now(how text) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'crash_now';
-- Ends it later. When: shmem_exit (before_shmem_exit), proc_exit (on_proc_exit), planner, abort (of a transaction).
CREATE FUNCTION later(moment text, how text) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'crash_later';
-- Ends a background worker, so many milliseconds after it has been started; returns its process id.
CREATE FUNCTION worker(how text, delay int DEFAULT 0) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'crash_worker';
