CREATE OR REPLACE FUNCTION mcspec_plx_probe(a text) RETURNS text LANGUAGE plx AS $f$
return '%sx' % a
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_echo(a text) RETURNS text LANGUAGE plx AS $f$
return a
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_numbers(a integer, b double precision, c numeric) RETURNS numeric LANGUAGE plx AS $f$
return float(a) + b * 2 - float(c)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_decimal(c numeric) RETURNS numeric LANGUAGE plx AS $f$
return c
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_bytes(a bytea) RETURNS bytea LANGUAGE plx AS $f$
return a
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_truth(a boolean) RETURNS boolean LANGUAGE plx AS $f$
return a
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_list(a integer[]) RETURNS integer[] LANGUAGE plx AS $f$
return [None if x is None else x + 1 for x in a]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_texts(a text[]) RETURNS text[] LANGUAGE plx AS $f$
return a
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_ragged() RETURNS integer[] LANGUAGE plx AS $f$
return [[1, 2], [3]]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_no_list() RETURNS integer[] LANGUAGE plx AS $f$
return 5
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_record(a mcspec_pair) RETURNS mcspec_pair LANGUAGE plx AS $f$
return {"i": a["i"], "t": (a["t"] or "") + "x"}
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_tuple(a mcspec_pair) RETURNS mcspec_pair LANGUAGE plx AS $f$
return (a["i"], a["t"])
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_object(a mcspec_pair) RETURNS mcspec_pair LANGUAGE plx AS $f$
class Pair: pass
p = Pair()
p.i = a["i"]
p.t = a["t"]
return p
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_strange(a mcspec_pair) RETURNS mcspec_pair LANGUAGE plx AS $f$
return {"i": 1}
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_too_short(a mcspec_pair) RETURNS mcspec_pair LANGUAGE plx AS $f$
return (1,)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_written_out(a text) RETURNS mcspec_pair LANGUAGE plx AS $f$
return "(1," + a + ")"
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_records(a mcspec_pair[]) RETURNS mcspec_pair[] LANGUAGE plx AS $f$
return [x for x in a] + [{"i": 1, "t": "a"}]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_out(OUT i integer, OUT t text) LANGUAGE plx AS $f$
return {"i": 1, "t": "a"}
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_anything() RETURNS record LANGUAGE plx AS $f$
return {"a": "x"}
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_short(a text) RETURNS mcspec_short LANGUAGE plx AS $f$
return a
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_many(VARIADIC a text[]) RETURNS integer LANGUAGE plx AS $f$
return len(a)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_rows(n integer) RETURNS SETOF integer LANGUAGE plx AS $f$
for i in range(min(n, 50)):
    yield i
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_rows_at_once(n integer) RETURNS SETOF integer LANGUAGE plx AS $f$
return range(min(n, 50))
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_pairs(n integer) RETURNS SETOF mcspec_pair LANGUAGE plx AS $f$
for i in range(5):
    yield {"i": i, "t": "r%s" % n}
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_breaks_off(n integer) RETURNS SETOF mcspec_pair LANGUAGE plx AS $f$
yield (1, "a")
yield ("b", "a")
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_rows_raise(a text) RETURNS SETOF integer LANGUAGE plx AS $f$
yield 1
raise Exception(a)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_query(t text) RETURNS integer LANGUAGE plx AS $f$
return len(plpy.execute("SELECT * FROM mcspec_pairs WHERE t <> " + plpy.quote_nullable(t), 10))
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_result(t text) RETURNS text LANGUAGE plx AS $f$
r = plpy.execute("SELECT i, t, ARRAY[i] AS a, ROW(i, t)::mcspec_pair AS p FROM mcspec_pairs")
return str(r.colnames()) + str(r.coltypes()) + str(r.coltypmods()) + str(r[0]) + str(r[-1]) + str(r[1:3]) + str(r.status())
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_any_query(t text) RETURNS integer LANGUAGE plx AS $f$
return plpy.execute("SELECT " + plpy.quote_literal(t) + "::integer AS i")[0]["i"]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_prepared(n integer) RETURNS integer LANGUAGE plx AS $f$
p = plpy.prepare("SELECT $1 / 2 AS i", ["integer"])
return plpy.execute(p, [n])[0]["i"]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_prepared_badly(t text) RETURNS integer LANGUAGE plx AS $f$
p = plpy.prepare("SELECT $1::integer AS i", ["text"])
try:
    return p.execute([t])[0]["i"]
except plpy.SPIError as e:
    return 0
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_prepared_records(a mcspec_pair, b integer[]) RETURNS text LANGUAGE plx AS $f$
p = plpy.prepare("SELECT $1 AS a, $2 AS b", ["mcspec_pair", "integer[]"])
return str(p.execute([a, b])[0])
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_wrong_arguments(n integer) RETURNS integer LANGUAGE plx AS $f$
p = plpy.prepare("SELECT $1::integer + $2 AS i", ["integer", "integer"])
for arguments in ([], [1], [1, 2, 3], ["a", 2], 5, [1, "b"]):
    try:
        p.execute(arguments)
    except Exception as e:
        pass
return n
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_prepares_nothing() RETURNS integer LANGUAGE plx AS $f$
for statement, types in (("SELECT $1", ["nosuchtype"]), ("SELECT 1 +", []), ("SELECT $1", [5]), ("SELECT $1", 5)):
    try:
        plpy.prepare(statement, types)
    except Exception as e:
        pass
return 1
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_kept_plan(n integer) RETURNS integer LANGUAGE plx AS $f$
if "p" not in SD:
    SD["p"] = plpy.prepare("SELECT $1 AS i", ["integer"])
return SD["p"].execute([n])[0]["i"]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_cursor() RETURNS integer LANGUAGE plx AS $f$
n = 0
for row in plpy.cursor("SELECT i FROM mcspec_pairs"):
    n += row["i"]
return n
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_cursor_left() RETURNS integer LANGUAGE plx AS $f$
c = plpy.cursor("SELECT i FROM mcspec_pairs")
return len(c.fetch(3))
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_cursor_closed(n integer) RETURNS integer LANGUAGE plx AS $f$
p = plpy.prepare("SELECT i FROM mcspec_pairs WHERE i < $1", ["integer"])
c = p.cursor([n])
c.close()
try:
    c.fetch(1)
except Exception as e:
    pass
try:
    plpy.cursor(p, ["a"])
except Exception as e:
    pass
return 1
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_raises(a text) RETURNS text LANGUAGE plx AS $f$
raise Exception(a)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_raises_deep(a text) RETURNS text LANGUAGE plx AS $f$
def f(n):
    if n == 0:
        raise ValueError(a)
    try:
        f(n - 1)
    except ValueError as e:
        raise KeyError(n) from e
f(5)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_says(a text) RETURNS text LANGUAGE plx AS $f$
plpy.debug(a, detail=a, hint=a)
plpy.error(a, detail=a, hint=a, sqlstate="22023", schema_name=a, table_name=a, column_name=a, datatype_name=a, constraint_name=a)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_says_nothing(a text) RETURNS text LANGUAGE plx AS $f$
plpy.error(a, nosuch=a)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_catches(n integer) RETURNS text LANGUAGE plx AS $f$
try:
    plpy.execute("SELECT 1 / 0")
except plpy.SPIError as e:
    return str(e) + e.sqlstate
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_subtransaction(n integer) RETURNS integer LANGUAGE plx AS $f$
with plpy.subtransaction():
    plpy.execute("SELECT 1")
return n
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_subtransaction_fails(n integer) RETURNS integer LANGUAGE plx AS $f$
try:
    with plpy.subtransaction():
        plpy.execute("SELECT 1 / 0")
except plpy.SPIError as e:
    pass
return n
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_subtransaction_left(n integer) RETURNS integer LANGUAGE plx AS $f$
plpy.subtransaction().__enter__()
raise Exception("left")
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_wrong(a text) RETURNS integer LANGUAGE plx AS $f$
return a
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_shared(a text) RETURNS text LANGUAGE plx AS $f$
old = GD.get("a")
GD["a"] = a
return old
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_quoted(a text) RETURNS text LANGUAGE plx AS $f$
return plpy.quote_literal(a) + plpy.quote_ident(a) + plpy.quote_nullable(None)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_nested(n integer) RETURNS text LANGUAGE plx AS $f$
return plpy.execute("SELECT mcspec_plx_echo('a') AS a")[0]["a"]
$f$;
CREATE OR REPLACE PROCEDURE mcspec_plx_commits(n integer) LANGUAGE plx AS $f$
plpy.execute("SELECT 1")
plpy.commit()
plpy.execute("SELECT 1")
plpy.rollback()
$f$;
CREATE OR REPLACE PROCEDURE mcspec_plx_gives_back(INOUT a text) LANGUAGE plx AS $f$
return (a + "x",)
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_changes() RETURNS trigger LANGUAGE plx AS $f$
if TD["event"] == "DELETE":
    return None
TD["new"]["t"] = "p"
return "MODIFY"
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_skips() RETURNS trigger LANGUAGE plx AS $f$
return "SKIP"
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_changes_badly() RETURNS trigger LANGUAGE plx AS $f$
TD["new"]["nosuch"] = 1
return "MODIFY"
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_hears() RETURNS event_trigger LANGUAGE plx AS $f$
plpy.debug(str(TD))
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_unclosed(a text) RETURNS text LANGUAGE plx AS $f$
return (
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_unfit_pair(a text) RETURNS mcspec_pair LANGUAGE plx AS $f$
return {"i": a, "t": "x"}
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_unfit_list(a text) RETURNS integer[] LANGUAGE plx AS $f$
return [1, a]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_unfit_pairs(a text) RETURNS mcspec_pair[] LANGUAGE plx AS $f$
return [{"i": 1, "t": "a"}, {"i": a, "t": "x"}]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_unfit_short(a text) RETURNS SETOF mcspec_short LANGUAGE plx AS $f$
return ["ab", "too long " + a]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_unfit_set(a text) RETURNS SETOF mcspec_pair LANGUAGE plx AS $f$
return [(1, "a"), (a, "x")]
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_fails_inside(a text) RETURNS integer LANGUAGE plx AS $f$
plpy.execute("SELECT 1 / 0")
$f$;
CREATE OR REPLACE FUNCTION mcspec_plx_makes_rows() RETURNS trigger LANGUAGE plx AS $f$
TD["new"] = {"i": 1, "t": "p"}
return "MODIFY"
$f$;
DO LANGUAGE plx $f$
x = 1
plpy.execute("SELECT %d" % x)
$f$;
DO LANGUAGE plx $f$
raise Exception("x")
$f$;
DO LANGUAGE plx $f$
x = (
$f$;
