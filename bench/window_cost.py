#!/usr/bin/env python3
"""What a checked statement costs: backend CPU of SELECT 1, by number of memory contexts and by mode.

    window_cost.py --bindir DIR     start private servers from DIR, with the engine and without, and compare all modes
    window_cost.py                  use the running server of PGHOST, PGUSER, .. on this machine, which has the engine preloaded

See bench/README.md for what is measured and how.
"""

import argparse
import contextlib
import datetime
import os
import platform
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile

# Label, whether the engine has to be loaded, what opens the window.
MODES = [
    ("not loaded", False, ""),
    ("none", True, "SET pg_ext_memcheck.memcheck_mode = 'none';"),
    ("executor", True, "SET pg_ext_memcheck.memcheck_mode = 'executor';"),
    ("window", True, "SET pg_ext_memcheck.memcheck_mode = 'executor'; SELECT ext_memcheck.begin();"),
]

# Label, what brings the session to that many contexts, statements in one round.
SESSIONS = [
    ("ordinary session", "", 2000),
    (
        "10,000 prepared statements",
        "DO $$ BEGIN FOR i IN 1 .. 10000 LOOP EXECUTE format('PREPARE p%s AS SELECT 1', i); END LOOP; END $$;",
        200,
    ),
]

WARM_UP = 20  # statements before the first round


class Session:
    """A psql that runs one statement after the other, each in a message of its own."""

    def __init__(self, psql, environment):
        self.process = subprocess.Popen(
            [psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.pid = int(self.ask("SELECT pg_backend_pid();"))

    def ask(self, sql):
        """Runs SQL and returns what it prints."""
        self.process.stdin.write(f"{sql}\n\\echo <done>\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == "<done>\n":
                return "".join(lines).strip()
            lines.append(line)
        sys.exit("window_cost: psql ended, see its message above")

    def cpu(self, statements):
        """Backend CPU of one SELECT 1 in microseconds, averaged over that many."""
        batch = "\\o /dev/null\n" + "SELECT 1;\n" * statements + "\\o"
        before = self.on_cpu()
        self.ask(batch)
        return (self.on_cpu() - before) / statements / 1000

    def on_cpu(self):
        """Nanoseconds the backend has spent on a CPU (proc(5), schedstat)."""
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def private_server(bindir, user, preload):
    """A server in a temporary directory, reached through a socket there; yields the environment for its clients."""
    directory = tempfile.mkdtemp(prefix="bench-")
    try:
        if user:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        data = os.path.join(directory, "data")
        options = (
            f"-c port=5432 -c listen_addresses='' -k {directory} -c fsync=off -c autovacuum=off -c jit=off "
            f"-c shared_preload_libraries='{preload}'"
        )

        def run(*command):
            done = subprocess.run(
                [os.path.join(bindir, command[0]), *command[1:]],
                user=user,
                cwd=directory,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                log = os.path.join(directory, "log")
                words = open(log, encoding="utf-8").read() if os.path.exists(log) else ""
                sys.exit(f"window_cost: {command[0]} failed\n{done.stderr}{words}")

        run("initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-locale", "-E", "UTF8", "-N")
        run("pg_ctl", "-w", "-D", data, "-l", os.path.join(directory, "log"), "-o", options, "start")
        try:
            yield {**os.environ, "PGHOST": directory, "PGPORT": "5432", "PGUSER": "bench", "PGDATABASE": "postgres"}
        finally:
            run("pg_ctl", "-w", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measure(psql, servers, rounds):
    """Prints the table; `servers` maps whether the engine is loaded to a client's environment."""
    sessions = []
    with contextlib.ExitStack() as stack:
        for label, fill, statements in SESSIONS:
            for mode, loaded, start in MODES:
                if loaded not in servers:
                    continue
                session = Session(psql, servers[loaded])
                stack.callback(session.close)
                if loaded:
                    session.ask("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS pg_ext_memcheck;")
                session.ask(fill)
                contexts = int(session.ask("SELECT count(*) FROM pg_backend_memory_contexts;"))
                session.ask(start)
                session.cpu(WARM_UP)
                sessions.append((label, contexts, mode, statements, session, []))

        for _ in range(rounds):
            for *_, statements, session, results in sessions:
                results.append(session.cpu(statements))

        version = sessions[0][4].ask("SHOW server_version;")

    print(f"machine   {cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}")
    print(f"server    PostgreSQL {version}")
    print(f"date      {datetime.date.today()}")
    print(f"figures   backend CPU of SELECT 1 in us, median (least .. most) of {rounds} interleaved rounds")
    print()
    print(f"{'session':28}{'contexts':>10}  {'mode':12}{'us':>10}")
    for label, contexts, mode, _, _, results in sessions:
        spread = f"({min(results):.1f} .. {max(results):.1f})"
        print(f"{label:28}{contexts:>10}  {mode:12}{statistics.median(results):>10.1f}  {spread}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bindir", help="bin directory of a PostgreSQL that has the engine installed")
    parser.add_argument("--user", default="postgres", help="who runs the private servers when root asks for them")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()

    if arguments.bindir is None:
        measure("psql", {True: dict(os.environ)}, arguments.rounds)
        return
    user = arguments.user if os.geteuid() == 0 else None
    with private_server(arguments.bindir, user, "") as plain:
        with private_server(arguments.bindir, user, "pg_ext_memcheck") as checked:
            servers = {False: plain, True: checked}
            measure(os.path.join(arguments.bindir, "psql"), servers, arguments.rounds)


if __name__ == "__main__":
    main()
