/* tests/corpus/lifecycle/cancelled--1.0.sql */

\echo Use "CREATE EXTENSION cancelled" to load this file. \quit

-- Each returns how often its loop has run, and is buggy if its argument is true.
CREATE FUNCTION keeps(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_keeps';
CREATE FUNCTION cache(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_cache';
CREATE FUNCTION slot(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_slot';
CREATE FUNCTION terminated(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_terminated';
CREATE FUNCTION swallows(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_swallows';
CREATE FUNCTION busy(is_buggy bool, milliseconds int) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_busy';
CREATE FUNCTION spins(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_spins';

-- What is allowed: a lock that holds off interrupts, and memory of the transaction.
CREATE FUNCTION locks() RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_locks';
CREATE FUNCTION pallocs() RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_pallocs';
CREATE FUNCTION queries() RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_queries';
