/* tests/corpus/faults/faults--1.0.sql */

\echo Use "CREATE EXTENSION faults" to load this file. \quit

-- Each does what its name says if it is to, and returns 1 if it is not.
CREATE FUNCTION null_read(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_null_read';
CREATE FUNCTION null_write(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_null_write';
CREATE FUNCTION nowhere(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_nowhere';
CREATE FUNCTION no_address(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_no_address';
CREATE FUNCTION constant_write(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_constant_write';
CREATE FUNCTION recursion(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_recursion';
CREATE FUNCTION aborts(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_abort';
CREATE FUNCTION asserts(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_assert';
CREATE FUNCTION division(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_division';
CREATE FUNCTION trap(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_trap';
CREATE FUNCTION beyond_file(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_beyond_file';
CREATE FUNCTION exits(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_exit';
CREATE FUNCTION exits_at_once(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_exit_at_once';
CREATE FUNCTION in_memcpy(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_memcpy';
CREATE FUNCTION in_strlen(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_strlen';
CREATE FUNCTION in_server(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_in_server';
CREATE FUNCTION holding_lock(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_holding_lock';
CREATE FUNCTION in_critical_section(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_critical_section';
-- For any row of a table: in a parallel worker, if there is one.
CREATE FUNCTION of_row(value int) RETURNS int LANGUAGE c STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'faults_of_row';
-- What is no fault: a process of its own that calls _exit(), and a handler of its own that serves a SIGSEGV.
CREATE FUNCTION forks() RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_fork';
CREATE FUNCTION handles() RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_handle';
-- Runs a statement in a background worker, and waits for its end.
CREATE FUNCTION in_worker(statement text) RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'faults_in_worker';
