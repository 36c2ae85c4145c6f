\echo Use "CREATE EXTENSION company" to load this file. \quit

-- Each in three: _bad, _ok with its fix, and _decoy, which looks like it and is allowed.

-- takes two locks, turned in the other order
CREATE FUNCTION both_orders_bad(turned bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION both_orders_ok(turned bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION both_orders_decoy(turned bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- keeps a lock where the divisor is 0
CREATE FUNCTION kept_on_error_bad(divisor int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_on_error_ok(divisor int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION kept_on_error_decoy(divisor int) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- has a spinlock when it is cancelled
CREATE FUNCTION cancelled_holder_bad(cancelled bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION cancelled_holder_ok(cancelled bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION cancelled_holder_decoy(cancelled bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- writes past its array where another one is inside as well
CREATE FUNCTION two_inside_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION two_inside_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION two_inside_decoy() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- keeps one of 8 slots where it fails
CREATE FUNCTION slot_kept_bad(fails bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION slot_kept_ok(fails bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION slot_kept_decoy(fails bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- enters a key into a hash table in shared memory, without a lock
CREATE FUNCTION no_lock_bad(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_lock_ok(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_lock_decoy(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the same under a lock in shared mode
CREATE FUNCTION shared_lock_bad(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION shared_lock_ok(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION shared_lock_decoy(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- the same under the lock of another part
CREATE FUNCTION wrong_part_bad(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION wrong_part_ok(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION wrong_part_decoy(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- enters a key into a table of its own
CREATE FUNCTION nobody_else(key int) RETURNS bool AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- takes the third of two locks
CREATE FUNCTION beyond_pair_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION beyond_pair_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION beyond_pair_decoy() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- takes a lock that it has
CREATE FUNCTION taken_twice_bad() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION taken_twice_ok() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION taken_twice_decoy() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- never comes back and never looks for interrupts, with a lock or without
CREATE FUNCTION no_look_bad(holds_lock bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_look_ok(holds_lock bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION no_look_decoy(holds_lock bool) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- nobody is inside, and all slots are free
CREATE FUNCTION reset() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
