"""What the engine costs while it does nothing and while it traces, and what Valgrind costs, on five workloads."""

import contextlib
import random
import shutil
import statistics
from dataclasses import dataclass

from private_server import Server, die
from session import Session

ENGINE = "pg_ext_memcheck"

FUNCTIONS = [
    """CREATE FUNCTION spin(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE s bigint := 0; t text;
BEGIN FOR i IN 1 .. n LOOP t := 'n' || i; s := s + length(t); END LOOP; RETURN s; END $$;""",
    """CREATE FUNCTION plan(sql text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN FOR i IN 1 .. n LOOP EXECUTE sql; END LOOP; END $$;""",
    """CREATE FUNCTION balance(account int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RETURN (SELECT abalance FROM pgbench_accounts WHERE aid = account); END $$;""",
]

DATA = [
    "CREATE TABLE numbers AS SELECT i, md5(i::text) AS t FROM generate_series(1, 300000) i;",
    "VACUUM ANALYZE numbers;",
    "CREATE TABLE pgbench_accounts AS SELECT i AS aid, 1 AS bid, 0 AS abalance, repeat(' ', 84)::char(84) AS filler"
    " FROM generate_series(1, 100000) i;",
    "ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid);",
    "VACUUM ANALYZE pgbench_accounts;",
    "CREATE EXTENSION hstore;",
]

PLAN = (
    "EXPLAIN SELECT * FROM pg_class a JOIN pg_class b USING (oid) JOIN pg_class c USING (oid)"
    " JOIN pg_attribute d ON d.attrelid = a.oid JOIN pg_type e ON e.oid = d.atttypid JOIN pg_namespace f ON true"
)

# In every session. hstore is the idle target; in the busy sessions plpgsql is one too.
LOAD = "LOAD 'hstore'; LOAD 'plpgsql';"
TRACE = "SET pg_ext_memcheck.targets = '{}'; SET pg_ext_memcheck.trace = on;"


@dataclass
class Workload:
    """A statement that is run a number of times, and one that does the same work with the target's code in between."""

    name: str
    idle: str
    busy: str
    rows: int = 0
    times: int = 1

    def script(self, sql, scale):
        """So many executions, of so many rows; scale 1 is full size."""
        rows, times = int(self.rows * scale), max(1, int(self.times * scale))
        accounts = random.Random(0)
        return "\n".join(sql.format(rows=rows, account=accounts.randint(1, 100000)) for _ in range(times))


WORKLOADS = [
    Workload(
        "string_agg(md5)",
        "SELECT length(string_agg(md5(t), ',')) FROM numbers WHERE i <= {rows};",
        "SELECT length(string_agg(hstore('k', md5(t)) -> 'k', ',')) FROM numbers WHERE i <= {rows};",
        rows=300000,
    ),
    Workload("plpgsql loop", "SELECT spin({rows});", "SELECT spin({rows});", rows=200000, times=5),
    Workload("plan-heavy", PLAN + ";", f"SELECT plan('{PLAN}', 1);", times=100),
    Workload(
        "hash aggregate (numeric)",
        "SELECT count(*) FROM (SELECT t, sum(i::numeric) FROM numbers WHERE i <= {rows} GROUP BY t) s;",
        "SELECT count(*) FROM"
        " (SELECT hstore('k', t) -> 'k', sum(i::numeric) FROM numbers WHERE i <= {rows} GROUP BY 1) s;",
        rows=300000,
        times=2,
    ),
    Workload(
        "pgbench -S",
        "SELECT abalance FROM pgbench_accounts WHERE aid = {account};",
        "SELECT balance({account});",
        times=5000,
    ),
]

VALGRIND = ["valgrind", "--quiet", "--leak-check=no", "--trace-children=yes", "--log-file=/dev/null"]
VALGRIND_SCALE = 0.05
VALGRIND_ROUNDS = 3


def interleaved(rounds, workload, scale, measures):
    """The CPU time of each of some measures, in ns, round by round. A measure is a session and one of the statements."""
    figures = [[] for _ in measures]
    scripts = [workload.script(sql, scale) for _, sql in measures]
    for number in range(rounds + 1):
        # There and back again, so that a machine that becomes slower favours nobody. The first round warms up.
        order = range(len(measures)) if number % 2 else reversed(range(len(measures)))
        for which in order:
            cpu = measures[which][0].cpu(scripts[which])
            if number > 0:
                figures[which].append(cpu)
    return figures


class Figures:
    """What was measured of one workload."""

    def __init__(self):
        self.base, self.ratios = [], {"off": [], "idle": [], "busy": [], "valgrind": []}

    def add(self, name, base, other):
        self.ratios[name] += [a / b for a, b in zip(other, base)]

    def row(self, workload):
        ratios = [statistics.median(ratios) if ratios else None for ratios in self.ratios.values()]
        return [workload.name, statistics.median(self.base) / 1e6, *ratios]


def filled(installation, template, directory):
    """A template that has the data of the workloads; the same for all who ask."""
    place = directory / "filled"
    if not place.exists():
        with Server(installation, template, directory) as server:
            server.psql(*DATA, *FUNCTIONS)
            server.shut_down()
            shutil.copytree(server.data, place)
    return place


def measure(installation, template, directory, rounds):
    """The rows of the table: workload, ms without the engine, ratios loaded, idle, busy, and of Valgrind or None.

    All backends of a server have its layout of memory, which alone makes some per cent. So each round starts servers anew.
    """
    template = filled(installation, template, directory)
    figures = [Figures() for _ in WORKLOADS]
    for _ in range(rounds):
        one_round(installation, template, directory, figures)
    if shutil.which("valgrind"):
        with contextlib.ExitStack() as stack:
            plain, slow = (stack.enter_context(Server(installation, template, directory, **options)) for options in
                           ({}, {"wrapper": VALGRIND, "patience": 300}))
            sessions = [stack.enter_context(Session(server, LOAD)) for server in (plain, slow)]
            for workload, figure in zip(WORKLOADS, figures):
                measures = [(session, workload.idle) for session in sessions]
                figure.add("valgrind", *interleaved(VALGRIND_ROUNDS, workload, VALGRIND_SCALE, measures))
    return [figure.row(workload) for workload, figure in zip(WORKLOADS, figures)]


def one_round(installation, template, directory, figures):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(installation, template, directory))
        loaded = stack.enter_context(Server(installation, template, directory, {"shared_preload_libraries": ENGINE}))
        loaded.psql(f"CREATE EXTENSION {ENGINE}")
        plain = stack.enter_context(Session(server, LOAD))
        off = stack.enter_context(Session(loaded, LOAD))
        idle = stack.enter_context(Session(loaded, LOAD, TRACE.format("hstore")))
        busy = stack.enter_context(Session(loaded, LOAD, TRACE.format("hstore,plpgsql")))
        for workload, figure in zip(WORKLOADS, figures):
            undisturbed = [(session, workload.idle) for session in (plain, off, idle)]
            base, *others = interleaved(1, workload, 1, undisturbed)
            figure.base += base
            for name, other in zip(("off", "idle"), others):
                figure.add(name, base, other)
            figure.add("busy", *interleaved(1, workload, 1, [(plain, workload.busy), (busy, workload.busy)]))
        if busy.ask("SELECT count(*) FROM ext_memcheck.live_allocations();") == "0":
            die("nothing was traced")


def compare(builds, template, directory, rounds):
    """The rows of the table about two installations, one with the engine before and one with that after: workload, and
    of the idle and of the busy statement the ratios to the server without the engine and of after to before."""
    template = filled(builds[0], template, directory)
    ratios = [[[] for _ in range(6)] for _ in WORKLOADS]
    for number in range(rounds):
        with contextlib.ExitStack() as stack:
            # Who is started first has another place in memory: it is not always the same one.
            order = builds if number % 2 else builds[::-1]
            server = stack.enter_context(Server(builds[0], template, directory))
            plain = stack.enter_context(Session(server, LOAD))
            sessions = {build: traced_sessions(stack, build, template, directory) for build in order}
            for workload, figures in zip(WORKLOADS, ratios):
                for which, sql in enumerate((workload.idle, workload.busy)):
                    measures = [(plain, sql), *((sessions[build][which], sql) for build in order)]
                    cpu = dict(zip([None, *order], (cpu[0] for cpu in interleaved(1, workload, 1, measures))))
                    base, before, after = cpu[None], cpu[builds[0]], cpu[builds[1]]
                    for figure, value in zip(figures[3 * which :], (before / base, after / base, after / before)):
                        figure.append(value)
    return [(workload.name, *map(statistics.median, figures)) for workload, figures in zip(WORKLOADS, ratios)]


def traced_sessions(stack, installation, template, directory):
    """An idle and a busy session on a server that is started for them."""
    server = stack.enter_context(Server(installation, template, directory, {"shared_preload_libraries": ENGINE}))
    server.psql(f"CREATE EXTENSION {ENGINE}")
    targets = ("hstore", "hstore,plpgsql")
    sessions = [stack.enter_context(Session(server, LOAD, TRACE.format(target))) for target in targets]
    for session in sessions[1:]:
        session.ask(WORKLOADS[1].script(WORKLOADS[1].busy, 0.01))
        if session.ask("SELECT count(*) FROM ext_memcheck.live_allocations();") == "0":
            die("nothing was traced")
    return sessions
