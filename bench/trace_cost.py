#!/usr/bin/env python3
"""What tracing costs: backend CPU of four workloads, with a window that traces a target and without.

    trace_cost.py [--target LIB] [--rounds 9]

Uses the running server that PGHOST and PGUSER name, which has to have the engine preloaded. The target is loaded but idle:
its code never runs, so what is measured is the price that everybody else pays. Rounds of both are interleaved.
"""

import argparse
import os
import shutil
import statistics
import sys

from window_cost import Session, cpu_model

SETUP = """
CREATE TEMP TABLE numbers AS SELECT i, md5(i::text) AS t FROM generate_series(1, 300000) i;
ANALYZE numbers;
CREATE FUNCTION pg_temp.spin(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE s bigint := 0; t text;
BEGIN FOR i IN 1 .. n LOOP t := 'n' || i; s := s + length(t); END LOOP; RETURN s; END $$;
"""

WORKLOADS = [
    ("string_agg", "SELECT length(string_agg(md5(t), ',')) FROM numbers;", 1),
    ("plpgsql loop", "SELECT pg_temp.spin(200000);", 1),
    (
        "plan-heavy",
        "EXPLAIN SELECT * FROM pg_class a JOIN pg_class b USING (oid) JOIN pg_class c USING (oid)"
        " JOIN pg_attribute d ON d.attrelid = a.oid JOIN pg_type e ON e.oid = d.atttypid JOIN pg_namespace f ON true;",
        20,
    ),
    ("hash aggregate", "SELECT count(*) FROM (SELECT t, sum(i::numeric) FROM numbers GROUP BY t) s;", 1),
]


def cpu(session, sql, times):
    """Backend CPU of one execution in milliseconds."""
    before = session.on_cpu()
    session.ask("\\o /dev/null\n" + (sql + "\n") * times + "\\o")
    return (session.on_cpu() - before) / times / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="leak_shapes", help="library that is loaded and traced")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    psql = shutil.which("psql") or sys.exit("trace_cost: no psql in PATH")

    sessions = {}
    for mode in ("off", "on"):
        session = sessions[mode] = Session(psql, dict(os.environ))
        session.ask(f"LOAD '{arguments.target}';" + SETUP)
        for _, sql, _ in WORKLOADS:
            cpu(session, sql, 2)
        if mode == "on":
            session.ask(
                f"SET pg_ext_memcheck.targets = '{arguments.target}'; SET pg_ext_memcheck.trace = on;"
                " SELECT ext_memcheck.begin();"
            )
    print(f"{cpu_model()}, {sessions['on'].ask('SHOW server_version;')}")
    print("backend CPU in ms, medians; ratio: on / off")
    print(f"{'workload':16}{'off':>10}{'on':>10}{'ratio':>8}")
    for name, sql, times in WORKLOADS:
        figures = {mode: [] for mode in sessions}
        for _ in range(arguments.rounds):
            for mode, session in sessions.items():
                figures[mode].append(cpu(session, sql, times))
        off, on = (statistics.median(figures[mode]) for mode in ("off", "on"))
        print(f"{name:16}{off:10.2f}{on:10.2f}{on / off:8.2f}")


if __name__ == "__main__":
    main()
