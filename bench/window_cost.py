"""What a window costs by the number of memory contexts: a checked SELECT 1, and begin, mark and end."""

import contextlib
import statistics

from private_server import Server
from session import Session

# Prepared statements in a session, and statements in one round.
SIZES = [(0, 1000), (450, 1000), (2500, 500), (10000, 200)]

PREPARE = "DO $$ BEGIN FOR i IN 1 .. {} LOOP EXECUTE format('PREPARE p%s AS SELECT 1', i); END LOOP; END $$;"
EXECUTOR = "SET pg_ext_memcheck.memcheck_mode = executor;"
TRACED = "LOAD 'hstore'; SET pg_ext_memcheck.targets = 'hstore'; SET pg_ext_memcheck.trace = on;"

# A few statements that use the target.
WORK = "SELECT hstore('k', 'v') -> 'k';\n" * 10


def measure(installation, template, directory, rounds):
    """The rows of the table: contexts; us of SELECT 1 unchecked, checked, checked and traced, in a window; us of begin, mark
    and end."""
    rows = []
    with Server(installation, template, directory, {"shared_preload_libraries": "pg_ext_memcheck"}) as server:
        server.psql("CREATE EXTENSION pg_ext_memcheck")
        for prepared, statements in SIZES:
            with contextlib.ExitStack() as stack:
                fill = PREPARE.format(prepared)
                sessions = [stack.enter_context(Session(server, fill)) for _ in range(4)]
                contexts = int(sessions[0].ask("SELECT count(*) FROM pg_backend_memory_contexts;"))
                rows.append([contexts, *one_size(rounds, statements, *sessions)])
    return rows


def one_size(rounds, statements, unchecked, checked, traced, window):
    """Medians in us."""
    batch = "SELECT 1;\n" * statements
    checked.ask(EXECUTOR)
    traced.ask(TRACED + EXECUTOR)
    # A walk over 20,000 contexts leaves nothing of the others in the processor's caches, so each batch has one to warm up.
    sessions = [unchecked, checked, traced]
    figures = [[] for _ in range(7)]
    for number in range(rounds + 1):
        window.ask(EXECUTOR)
        begin = window.cpu("SELECT ext_memcheck.begin();")
        inside = window.cpu(batch)
        mark = window.cpu("SELECT ext_memcheck.mark(1);")
        end = window.cpu("SELECT * FROM ext_memcheck.end();")
        batches = []
        for session in sessions:
            session.cpu(batch)
            batches.append(session.cpu(batch))
        costs = [cost / statements for cost in (*batches, inside)]
        costs += [begin, mark, end]
        # The first round warms up.
        if number > 0:
            for figure, cost in zip(figures, costs):
                figure.append(cost / 1000)
    return [statistics.median(figure) for figure in figures]


def measure_traced(installations, template, directory, rounds):
    """The rows of the table of a traced window: contexts, and of each installation us of begin, mark and end."""
    rows = []
    with contextlib.ExitStack() as stack:
        servers = []
        for installation in installations:
            settings = {"shared_preload_libraries": "pg_ext_memcheck"}
            servers.append(stack.enter_context(Server(installation, template, directory, settings)))
            servers[-1].psql("CREATE EXTENSION pg_ext_memcheck", "CREATE EXTENSION hstore")
        for prepared, _ in SIZES:
            with contextlib.ExitStack() as opened:
                fill = PREPARE.format(prepared)
                sessions = [opened.enter_context(Session(server, TRACED, fill)) for server in servers]
                contexts = int(sessions[0].ask("SELECT count(*) FROM pg_backend_memory_contexts;"))
                rows.append([contexts, *one_traced_size(rounds, sessions)])
    return rows


def one_traced_size(rounds, sessions):
    """Medians in us, session by session."""
    figures = [[] for _ in range(3 * len(sessions))]
    for number in range(rounds + 1):
        costs = []
        for session in sessions:
            # Not right after another session, which has left the processor's caches to nobody else.
            session.ask(WORK)
            costs.append(session.cpu("SELECT ext_memcheck.begin();"))
            session.ask(WORK)
            costs.append(session.cpu("SELECT ext_memcheck.mark(1);"))
            session.ask(WORK)
            costs.append(session.cpu("SELECT * FROM ext_memcheck.end();"))
        # The first round warms up.
        if number > 0:
            for figure, cost in zip(figures, costs):
                figure.append(cost / 1000)
    return [statistics.median(figure) for figure in figures]
