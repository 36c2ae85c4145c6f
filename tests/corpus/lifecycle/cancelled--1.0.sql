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

-- Calls that wait for the lock of a table, where somebody else has that.
CREATE TABLE awaited (id int);
CREATE FUNCTION awaits(is_buggy bool, relation regclass) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_awaits';
CREATE FUNCTION at_work(is_buggy bool, relation regclass) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_at_work';
CREATE FUNCTION advisory(is_buggy bool, relation regclass) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_advisory';

-- What is allowed: to do without a lock that is not to be had.
CREATE FUNCTION does_without(relation regclass) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETURN cancelled.awaits(false, relation);
EXCEPTION WHEN lock_not_available THEN
    RETURN -1;
END $$;

-- Calls that nobody can cancel any more.
CREATE FUNCTION holds(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_holds';
CREATE FUNCTION takes_twice(is_buggy bool) RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'cancelled_takes_twice';
