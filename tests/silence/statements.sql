-- Statements of clean core work, each in a block that begins with its name and ends with the next: see README.md.
--
-- After the name: "alone" for what cannot run in a transaction block; "within" for what can run in one only; "functions" for
-- what takes the functions of the bystander; "once" for what takes too long to be repeated often. A line "-- before:" is run in
-- the session first.

-- name: select_1
SELECT 1;

-- name: catalog_counts
SELECT count(*) FROM pg_class; SELECT n.nspname, count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace GROUP BY 1 ORDER BY 2;

-- name: catalog_names
SELECT relname FROM pg_class WHERE oid = 'pg_type'::regclass; SELECT a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = 'pg_proc';

-- name: settings
SELECT name, setting FROM pg_settings WHERE name LIKE 'work%';

-- name: viewdef
SELECT pg_get_viewdef('pg_stat_activity'::regclass);

-- name: information_schema
SELECT count(*) FROM information_schema.tables; SELECT column_name FROM information_schema.columns WHERE table_schema = 'information_schema' LIMIT 50;

-- name: index_scan functions
SELECT name, bystander.shout(name) FROM items WHERE id = 7;

-- name: window_function
SELECT name, sum(id) OVER (ORDER BY id) FROM items LIMIT 10;

-- name: string_agg
SELECT string_agg(md5(name), ',' ORDER BY id) FROM items;

-- name: json
SELECT jsonb_agg(i) FROM (SELECT * FROM items LIMIT 20) i; SELECT jsonb_path_query('{"a": [1, 2]}', '$.a[*]'); SELECT xmlelement(name a, 'b');

-- name: recursive
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT sum(i) FROM n;

-- name: writing_cte
WITH touched AS (UPDATE items SET name = name WHERE id <= 10 RETURNING id) SELECT count(*) FROM touched;

-- name: insert_delete
INSERT INTO items SELECT i, 'n' || i FROM generate_series(1001, 1010) i; DELETE FROM items WHERE id > 1000;

-- name: upsert
INSERT INTO items VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'n' || excluded.id;

-- name: explain
EXPLAIN SELECT * FROM items ORDER BY name; EXPLAIN (ANALYZE, TIMING OFF) SELECT count(*) FROM items;

-- name: plpgsql
SELECT name_of(7); SELECT sum(add(i, 1)) FROM generate_series(1, 50) i;

-- name: do_loop
DO $$ DECLARE item record; BEGIN FOR item IN SELECT name FROM items WHERE id <= 20 LOOP PERFORM length(item.name); END LOOP; END $$;

-- name: do_exception
DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END $$;

-- name: do_execute
DO $$ BEGIN FOR n IN 1 .. 5 LOOP EXECUTE format('SELECT %s', n); END LOOP; END $$;

-- name: create_table
CREATE TABLE shelves (id int PRIMARY KEY, name text); CREATE INDEX ON shelves (name); DROP TABLE shelves;

-- name: prepare
PREPARE by_id (int) AS SELECT name FROM items WHERE id = $1; EXECUTE by_id (3); DEALLOCATE by_id;

-- name: execute
-- before: PREPARE by_id (int) AS SELECT name FROM items WHERE id = $1;
EXECUTE by_id (3);

-- name: set
SET work_mem = '8MB'; RESET work_mem; SET LOCAL search_path = pg_catalog; SET search_path = public, pg_catalog; RESET search_path;

-- name: cursor alone
BEGIN; DECLARE c SCROLL CURSOR FOR SELECT * FROM items; FETCH 10 FROM c; FETCH BACKWARD 2 FROM c; MOVE 5 FROM c; CLOSE c; COMMIT;

-- name: cursor_tx within
DECLARE c CURSOR FOR SELECT * FROM items; FETCH 10 FROM c; CLOSE c;

-- name: cursor_hold
DECLARE h CURSOR WITH HOLD FOR SELECT * FROM items LIMIT 30; FETCH 5 FROM h; CLOSE h;

-- name: savepoint alone
BEGIN; SAVEPOINT s; UPDATE items SET name = 'x' WHERE id = 1; ROLLBACK TO SAVEPOINT s; SAVEPOINT t; UPDATE items SET name = name WHERE id = 2; RELEASE t; COMMIT;

-- name: partitions_read
SELECT * FROM parts; SELECT count(*) FROM parts WHERE id BETWEEN 10 AND 250; SELECT * FROM parts WHERE id = 42;

-- name: partitions_write
INSERT INTO parts SELECT i, 'p' FROM generate_series(1, 399, 7) i; UPDATE parts SET id = 399 - id WHERE id % 50 = 1; DELETE FROM parts WHERE name = 'p';

-- name: partition_ddl
CREATE TABLE parts_4 PARTITION OF parts FOR VALUES FROM (400) TO (500); INSERT INTO parts VALUES (450, 'p'); ALTER TABLE parts DETACH PARTITION parts_4; DROP TABLE parts_4;

-- name: partition_join
-- before: SET enable_partitionwise_join = on; SET enable_partitionwise_aggregate = on;
SELECT count(*) FROM parts a JOIN parts b USING (id);

-- name: joins_of_8
SELECT count(*) FROM items a JOIN items b USING (id) JOIN items c USING (id) JOIN items d USING (id) JOIN items e USING (id) JOIN items f USING (id) JOIN items g USING (id) JOIN items h USING (id) WHERE a.id < 20;

-- name: joins_geqo
-- before: SET geqo_threshold = 3;
SELECT count(*) FROM items a JOIN items b USING (id) JOIN items c USING (id) JOIN items d USING (id) JOIN items e USING (id) WHERE a.id < 20;

-- name: merge
MERGE INTO items i USING (SELECT generate_series(990, 1010) AS id) n ON i.id = n.id WHEN MATCHED THEN UPDATE SET name = 'n' || n.id WHEN NOT MATCHED THEN INSERT VALUES (n.id, 'new'); DELETE FROM items WHERE name = 'new';

-- name: copy_program
COPY items TO PROGRAM 'cat > /dev/null';

-- name: copy_in
CREATE TEMP TABLE copied (id int); COPY copied FROM PROGRAM 'seq 1 50'; COPY copied TO PROGRAM 'cat > /dev/null'; DROP TABLE copied;

-- name: trigger
INSERT INTO audited VALUES (1, 'a'); UPDATE audited SET name = 'b'; DELETE FROM audited;

-- name: foreign_keys
INSERT INTO orders SELECT i, i FROM generate_series(1, 20) i; UPDATE orders SET item = item + 1; DELETE FROM orders;

-- name: deferred alone
BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO orders VALUES (1, 5); DELETE FROM orders; COMMIT;

-- name: procedure alone
CALL committing(3);

-- name: procedure_rollback alone
CALL rolling_back(3);

-- name: parallel
-- before: SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;
SELECT count(*), max(name) FROM items;

-- name: alter_table
-- before: CREATE TEMP TABLE shelf (id int PRIMARY KEY, name text); INSERT INTO shelf SELECT * FROM items LIMIT 50;
ALTER TABLE shelf ADD COLUMN more int DEFAULT 5; ALTER TABLE shelf ALTER more TYPE bigint; ALTER TABLE shelf ADD CHECK (more > 0); ALTER TABLE shelf DROP COLUMN more; ALTER TABLE shelf RENAME TO shelf_x; ALTER TABLE shelf_x RENAME TO shelf;

-- name: views
CREATE VIEW seen AS SELECT id, upper(name) AS name FROM items; SELECT count(*) FROM seen; CREATE OR REPLACE VIEW seen AS SELECT id, lower(name) AS name FROM items; DROP VIEW seen;

-- name: matview
CREATE MATERIALIZED VIEW mat AS SELECT * FROM items WHERE id < 50; REFRESH MATERIALIZED VIEW mat; DROP MATERIALIZED VIEW mat;

-- name: functions
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS 'SELECT i * 2'; SELECT twice(4); CREATE OR REPLACE FUNCTION twice(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN i + i; END $$; SELECT twice(4); DROP FUNCTION twice;

-- name: types
CREATE TYPE mood AS ENUM ('sad', 'ok'); ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'; CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE point3 AS (x int, y positive, m mood); SELECT (1, 2, 'sad')::point3; DROP TYPE point3; DROP DOMAIN positive; DROP TYPE mood;

-- name: range_type
CREATE TYPE float_range AS RANGE (subtype = float8); SELECT float_range(1, 2) && float_range(1.5, 3); DROP TYPE float_range;

-- name: schemas_roles
CREATE SCHEMA s; CREATE ROLE silent_role; GRANT USAGE ON SCHEMA s TO silent_role; SET ROLE silent_role; RESET ROLE; REVOKE USAGE ON SCHEMA s FROM silent_role; DROP ROLE silent_role; DROP SCHEMA s;

-- name: sequences
CREATE SEQUENCE numbers; SELECT nextval('numbers'), currval('numbers'), setval('numbers', 9); ALTER SEQUENCE numbers RESTART; DROP SEQUENCE numbers; SELECT nextval('kept_numbers');

-- name: rules_policies
CREATE TABLE ruled (id int); CREATE RULE nothing AS ON DELETE TO ruled DO INSTEAD NOTHING; ALTER TABLE ruled ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ruled USING (id > 0); SELECT * FROM ruled; DROP TABLE ruled;

-- name: triggers_ddl
CREATE TABLE trig (id int, name text); CREATE FUNCTION trig_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$; CREATE TRIGGER t BEFORE INSERT ON trig FOR EACH ROW EXECUTE FUNCTION trig_f(); INSERT INTO trig VALUES (1, 'x'); DROP TABLE trig; DROP FUNCTION trig_f;

-- name: statistics
CREATE STATISTICS st (dependencies, ndistinct, mcv) ON id, name FROM items; ANALYZE items; SELECT count(*) FROM items WHERE id = 3 AND name = 'n3'; DROP STATISTICS st;

-- name: text_search
SELECT to_tsvector('english', 'the quick foxes ' || :i) @@ to_tsquery('fox & quick'); CREATE TEXT SEARCH CONFIGURATION tsc (COPY = english); SELECT to_tsvector('tsc', 'running'); DROP TEXT SEARCH CONFIGURATION tsc;

-- name: casts_operators
CREATE TYPE box2 AS (a int); CREATE FUNCTION box2_eq(box2, box2) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a = ($2).a'; CREATE OPERATOR === (LEFTARG = box2, RIGHTARG = box2, FUNCTION = box2_eq); SELECT row(1)::box2 === row(1)::box2; CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int); SELECT total(id) FROM items; DROP AGGREGATE total(int); DROP OPERATOR === (box2, box2); DROP FUNCTION box2_eq; DROP TYPE box2;

-- name: temp_table
CREATE TEMPORARY TABLE scratch (id int PRIMARY KEY, name text); INSERT INTO scratch SELECT * FROM items; SELECT count(*) FROM scratch; DROP TABLE scratch;

-- name: temp_on_commit alone
BEGIN; CREATE TEMP TABLE scratch ON COMMIT DROP AS SELECT * FROM items; ANALYZE scratch; COMMIT;

-- name: truncate
TRUNCATE emptied; INSERT INTO emptied SELECT * FROM items LIMIT 20;

-- name: two_phase alone
BEGIN; INSERT INTO items VALUES (5000, 'two'); PREPARE TRANSACTION 'silent'; ROLLBACK PREPARED 'silent';

-- name: two_phase_commit alone
BEGIN; INSERT INTO items VALUES (5000, 'two'); PREPARE TRANSACTION 'silent'; COMMIT PREPARED 'silent'; DELETE FROM items WHERE id = 5000;

-- name: listen
LISTEN channel; NOTIFY channel, 'hello'; UNLISTEN channel;

-- name: notify
-- before: LISTEN channel;
NOTIFY channel; SELECT pg_notify('channel', 'n' || :i);

-- name: vacuum alone
VACUUM items; VACUUM (FULL) small; VACUUM (FREEZE, ANALYZE) small;

-- name: analyze
ANALYZE items; ANALYZE parts;

-- name: cluster
CLUSTER small USING small_pkey;

-- name: reindex
REINDEX TABLE small; REINDEX INDEX small_pkey;

-- name: concurrently alone
CREATE INDEX CONCURRENTLY small_c ON small (name); REINDEX INDEX CONCURRENTLY small_c; DROP INDEX CONCURRENTLY small_c;

-- name: index_kinds
CREATE TABLE many_ix (id int, a int[], p point, t text); INSERT INTO many_ix SELECT i, ARRAY[i], point(i, i), 't' || i FROM generate_series(1, 50) i; CREATE INDEX ON many_ix USING gin (a); CREATE INDEX ON many_ix USING gist (p); CREATE INDEX ON many_ix USING spgist (t); CREATE INDEX ON many_ix USING brin (id); CREATE INDEX ON many_ix USING hash (id); INSERT INTO many_ix SELECT i, ARRAY[i], point(i, i), 't' || i FROM generate_series(51, 60) i; DROP TABLE many_ix;

-- name: create_database alone once
CREATE DATABASE silent_db; DROP DATABASE silent_db;

-- name: checkpoint
CHECKPOINT;

-- name: discard
DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES;

-- name: discard_all alone
SELECT name FROM items WHERE id = 3; DISCARD ALL;

-- name: lock alone
BEGIN; LOCK TABLE items IN SHARE MODE; SELECT pg_advisory_xact_lock(3); SELECT * FROM items WHERE id = 4 FOR UPDATE; COMMIT; SELECT pg_advisory_lock(1), pg_advisory_unlock(1);

-- name: large_objects
SELECT lo_from_bytea(0, 'bytes') AS lo; SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata;

-- name: comment_security
COMMENT ON TABLE items IS 'things'; COMMENT ON TABLE items IS NULL; ALTER TABLE items OWNER TO CURRENT_USER; GRANT SELECT ON items TO PUBLIC; REVOKE SELECT ON items FROM PUBLIC;

-- name: formatting
SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS'), to_char(:i, '999D99'), to_date('2020-01-02', 'YYYY-MM-DD'), regexp_replace(repeat('ab', 20), 'a(b)', '\1x', 'g'), now() AT TIME ZONE 'Europe/Berlin', 'a' COLLATE "C" < 'b';

-- name: toast
INSERT INTO wide VALUES (1, repeat(md5('1'), 10000)); SELECT length(v) FROM wide; DELETE FROM wide;

-- name: plan_invalidation
SELECT name_of(7); ALTER TABLE items SET (fillfactor = 90); SELECT name_of(7); ALTER TABLE items RESET (fillfactor);

-- name: failing
DO $$ BEGIN BEGIN PERFORM 'x'::int; EXCEPTION WHEN OTHERS THEN NULL; END; BEGIN PERFORM * FROM no_such_table; EXCEPTION WHEN OTHERS THEN NULL; END; END $$;

-- name: sort_spill
-- before: SET work_mem = '64kB';
SELECT count(*) FROM (SELECT md5(i::text) m FROM generate_series(1, 3000) i ORDER BY 1 OFFSET 0) s; SELECT count(*) FROM (SELECT i % 500, count(*) FROM generate_series(1, 3000) i GROUP BY 1 OFFSET 0) h;

-- name: import_publish
CREATE PUBLICATION pub FOR TABLE items; DROP PUBLICATION pub; CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION on_ddl(); CREATE TABLE et_t (); DROP TABLE et_t; DROP EVENT TRIGGER et;

-- name: extension_ddl
CREATE EXTENSION pgstattuple; DROP EXTENSION pgstattuple;

-- name: by_functions functions
SELECT count(bystander.shout(name)) FROM items; SELECT bystander.name_of('items'), bystander.blocks_of('items');

-- name: by_ask functions
-- before: SELECT bystander.ask('SELECT count(*) FROM items'), bystander.ask('SELECT count(*) FROM parts'), bystander.ask('SELECT name_of(3)');
SELECT bystander.ask('SELECT count(*) FROM items'), bystander.ask('SELECT count(*) FROM parts');

-- name: by_sets functions
SELECT sum(n) FROM bystander.numbers(100) n; SELECT count(*) FROM bystander.pairs(100); SELECT bystander.numbers(5);

-- name: by_aggregate functions
SELECT bystander.joined(name) FROM items; SELECT id % 10, bystander.joined(name) FROM items GROUP BY 1;

-- name: by_trigger functions
INSERT INTO shouted VALUES (1, 'a'); UPDATE shouted SET name = 'b'; DELETE FROM shouted;

-- name: by_every_table functions once
SELECT sum(bystander.blocks_of(oid)) FROM pg_class WHERE relkind IN ('r', 't', 'm');

-- name: by_error functions
DO $$ BEGIN PERFORM bystander.refuse('x'); EXCEPTION WHEN OTHERS THEN NULL; END $$;

-- name: by_plpgsql functions
-- before: SELECT bystander.ask('SELECT count(*) FROM items'), bystander.ask('SELECT count(*) FROM parts'), bystander.ask('SELECT name_of(3)');
DO $$ BEGIN FOR n IN 1 .. 10 LOOP PERFORM bystander.ask('SELECT name_of(3)'), bystander.name_of('parts'); END LOOP; END $$;
