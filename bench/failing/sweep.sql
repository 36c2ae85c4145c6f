-- Every function of some extensions by oom_simulation: each place that allocates fails, in the first call of a session and in a later
-- one, alone and with all behind it. A row of "swept" for each call, with what was found.
\set ON_ERROR_STOP on
\pset pager off
SET client_min_messages = error;
SET pg_ext_memcheck.targets = 'hstore, ltree, _int, pg_trgm, citext, cube, rust_corpus';

CREATE SCHEMA sweep;
CREATE TABLE sweep.value (type regtype PRIMARY KEY, text text);
INSERT INTO sweep.value VALUES
    ('text', $$'a b'::text$$), ('text[]', $$ARRAY['a', 'b', 'c', 'd']$$), ('name', $$'a'::name$$), ('cstring', $$NULL$$),
    ('bool', 'true'), ('int4', '2'), ('int8', '3::int8'), ('int2', '1::int2'), ('float8', '1.5::float8'), ('float4', '0.3::float4'),
    ('float8[]', 'ARRAY[1.5, 2.5]::float8[]'), ('int4[]', 'ARRAY[3, 1, 2]'), ('oid', '1255::oid'), ('bpchar', $$'a'::bpchar$$),
    ('jsonb', $$'{"a": 1}'::jsonb$$), ('json', $$'{"a": 1}'::json$$), ('inet', $$'127.0.0.1'::inet$$), ('bytea', $$'ab'::bytea$$),
    ('hstore', $$'a=>1, b=>NULL, c=>true'::hstore$$), ('hstore[]', $$ARRAY['a=>1'::hstore]$$),
    ('ltree', $$'Top.Science.Astronomy'::ltree$$), ('ltree[]', $$ARRAY['Top.Science', 'Top.Hobbies']::ltree[]$$),
    ('lquery', $$'Top.*{0,2}.Astro*@'::lquery$$), ('lquery[]', $$ARRAY['Top.*', '*.Science.*']::lquery[]$$),
    ('ltxtquery', $$'Astro*% & !pictures@'::ltxtquery$$), ('query_int', $$'1 & (2 | !3)'::query_int$$),
    ('citext', $$'A b'::citext$$), ('citext[]', $$ARRAY['A', 'b']::citext[]$$), ('cube', $$'(1, 2), (3, 4)'::cube$$);
-- As the text of a value: what input functions are given
CREATE TABLE sweep.input (function regproc PRIMARY KEY, text text);
INSERT INTO sweep.input VALUES
    ('hstore_in', 'a=>1, b=>NULL'), ('ltree_in', 'Top.Science'), ('lquery_in', 'Top.*.A|B*@{1,2}'),
    ('ltxtq_in', 'A & !(B | C)'), ('bqarr_in', '1 & (2 | !3)'), ('cube_in', '(1, 2), (3, 4)'), ('citextin', 'Abc');

-- Functions that a call can be made of. What takes internal arguments is called by the indexes below.
CREATE TABLE sweep.call (extension name, what text, sql text);
INSERT INTO sweep.call
SELECT extension, function::text, format('SELECT %s(%s)', function, arguments)
  FROM (SELECT e.extname, p.oid::regproc, p.oid::regprocedure,
               (SELECT coalesce(string_agg(CASE WHEN t.type = 'cstring'::regtype
                                                THEN coalesce(quote_literal(i.text) || '::cstring', '#')
                                                ELSE coalesce(v.text, '#') END, ', ' ORDER BY t.number), '')
                  FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY t (type, number)
                  LEFT JOIN sweep.value v ON v.type = t.type
                  LEFT JOIN sweep.input i ON i.function = p.oid::regproc)
          FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
               JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
         WHERE e.extname IN ('hstore', 'ltree', 'intarray', 'pg_trgm', 'citext', 'cube', 'rust_corpus') AND p.prokind = 'f'
       ) AS f (extension, function, signature, arguments)
 WHERE arguments !~ '#' AND function::text NOT LIKE '%\_recv';

CREATE TABLE sweep.rows AS
SELECT n, hstore(ARRAY['k' || n % 7, 'k' || n % 11, 'c'], ARRAY[n::text, NULL, 'x']) AS h, ('Top.a' || n % 5 || '.b' || n)::ltree AS l,
       ARRAY[('Top.a' || n % 5)::ltree, ('Top.c' || n)::ltree] AS ls, ARRAY[n, n % 7, n % 13] AS i, md5(n::text) AS t,
       md5(n::text)::citext AS c, cube(ARRAY[n, n % 10], ARRAY[n + 1, n % 10 + 3]) AS b
  FROM generate_series(1, 250) n;
ANALYZE sweep.rows;
INSERT INTO sweep.call
SELECT extension, method, format(
    'BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; CREATE TEMP TABLE own AS TABLE sweep.rows; '
    'CREATE INDEX ON own USING %s; SELECT count(*) FROM own WHERE %s; INSERT INTO own TABLE sweep.rows; ROLLBACK', method, condition)
  FROM (VALUES
    ('hstore', 'gin (h)', $$h @> 'k1=>1'$$), ('hstore', 'gist (h)', $$h ? 'k1'$$), ('hstore', 'btree (h)', $$h #># 'a=>1'$$),
    ('hstore', 'hash (h)', $$h = 'a=>1'$$),
    ('ltree', 'gist (l)', $$l ~ 'Top.a1.*'$$), ('ltree', 'gist (ls)', $$ls ~ 'Top.a1.*'$$), ('ltree', 'btree (l)', $$l > 'Top.b'$$),
    ('intarray', 'gist (i gist__int_ops)', $$i && '{1}'$$), ('intarray', 'gist (i gist__intbig_ops)', $$i @@ '1&2'$$),
    ('intarray', 'gin (i gin__int_ops)', $$i @> '{1}'$$),
    ('pg_trgm', 'gin (t gin_trgm_ops)', $$t ~ 'ab[0-9]'$$), ('pg_trgm', 'gist (t gist_trgm_ops)', $$t LIKE '%abc%'$$),
    ('citext', 'btree (c)', $$c > 'a'$$), ('citext', 'hash (c)', $$c = 'a'$$),
    ('cube', 'gist (b)', $$b && '(1, 1), (20, 5)'$$), ('cube', 'btree (b)', $$b > '(1, 1)'$$)) i (extension, method, condition);
INSERT INTO sweep.call VALUES
    ('hstore', 'populate_record', $$SELECT populate_record(NULL::sweep.value, 'type=>text, text=>a')$$),
    ('hstore', 'hstore(record)', $$SELECT hstore(v) FROM sweep.value v LIMIT 2$$),
    ('hstore', 'each', $$SELECT * FROM each('a=>1, b=>2')$$), ('hstore', 'aggregated', $$SELECT count(DISTINCT h) FROM sweep.rows$$),
    ('citext', 'aggregated', $$SELECT min(c), max(c) FROM sweep.rows$$);

CREATE TABLE sweep.swept (extension name, what text, sql text, failed int, not_failed int, took interval, error text);
CREATE TABLE sweep.found (extension name, what text, harm text, place text, times bigint, detail text);
CREATE FUNCTION sweep.one(ext name, called text, call text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    message text;
    started timestamptz := clock_timestamp();
BEGIN
    BEGIN
        PERFORM ext_memcheck.run_scenario('oom_simulation', 1, call, workers => 2);
        INSERT INTO sweep.found
        SELECT ext, called, subject, coalesce(site_symbol, source_lib || '+' || to_hex(site_offset)), objects, detail
          FROM ext_memcheck.findings();
    EXCEPTION WHEN others THEN
        message := SQLERRM;
    END;
    INSERT INTO sweep.swept
    SELECT ext, called, call, sum(value) FILTER (WHERE name = 'failed'), sum(value) FILTER (WHERE name = 'not_failed'),
           clock_timestamp() - started, message
      FROM ext_memcheck.window_stats();
END
$$;

\if :{?only}
DELETE FROM sweep.call WHERE extension <> :'only';
\endif
SELECT format('SELECT sweep.one(%L, %L, %L)', extension, what, sql) FROM sweep.call ORDER BY extension, what
\gexec

SELECT extension, count(*) FILTER (WHERE error IS NULL) AS calls, count(error) AS not_called, sum(failed) FILTER (WHERE error IS NULL) AS failed,
       sum(not_failed) FILTER (WHERE error IS NULL) AS not_failed, date_trunc('second', sum(took)) AS took
  FROM sweep.swept GROUP BY ROLLUP (extension) ORDER BY extension;
SELECT extension, what, error FROM sweep.swept WHERE error IS NOT NULL ORDER BY 1, 2;
SELECT * FROM sweep.found ORDER BY extension, place, harm;
