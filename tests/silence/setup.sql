CREATE TABLE items (id int PRIMARY KEY, name text);
INSERT INTO items SELECT i, 'n' || i FROM generate_series(1, 1000) i;
CREATE TABLE small (id int CONSTRAINT small_pkey PRIMARY KEY, name text);
INSERT INTO small SELECT i, 's' || i FROM generate_series(1, 20) i;
CREATE TABLE emptied (id int, name text);
CREATE TABLE wide (id int, v text);
ALTER TABLE wide ALTER v SET STORAGE EXTERNAL;
CREATE SEQUENCE kept_numbers CACHE 10;
CREATE TABLE parts (id int, name text) PARTITION BY RANGE (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (100) TO (200);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (200) TO (300);
CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (300) TO (400);
CREATE INDEX ON parts (id);
INSERT INTO parts SELECT i, 'q' || i FROM generate_series(0, 399) i;
CREATE TABLE orders (id int, item int REFERENCES items DEFERRABLE);
CREATE TABLE audited (id int, name text);
CREATE TABLE log (at timestamptz, name text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO log VALUES (now(), coalesce(new.name, old.name)); DELETE FROM log; RETURN coalesce(new, old); END $$;
CREATE TRIGGER audit BEFORE INSERT OR UPDATE OR DELETE ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE FUNCTION name_of(item int) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE result text; BEGIN SELECT name INTO result FROM items WHERE id = item; RETURN result; END $$;
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN a + b; END $$;
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM pg_event_trigger_ddl_commands(); END $$;
CREATE PROCEDURE committing(n int) LANGUAGE plpgsql AS $$
  BEGIN FOR i IN 1 .. n LOOP UPDATE items SET name = name WHERE id = i; COMMIT; END LOOP; END $$;
CREATE PROCEDURE rolling_back(n int) LANGUAGE plpgsql AS $$
  BEGIN FOR i IN 1 .. n LOOP UPDATE items SET name = name WHERE id = i; ROLLBACK; END LOOP; END $$;
