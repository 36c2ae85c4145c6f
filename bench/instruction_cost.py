"""What a statement takes in instructions on a server with the engine and on one without.

Time cannot tell: where the server's code and data happen to lie makes some per cent. Valgrind counts the instructions of
one backend that runs on its own; they hardly differ from one run to the next.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from private_server import SETTINGS, UNPRIVILEGED, die, give
from trace_cost import ENGINE, LOAD, TRACE, WORKLOADS, Workload, filled

# What a statement may take with the engine, at most, as a ratio to without.
LIMIT = 1.005

# So much of a workload's rows, and so many of its statements, in one run; twice as many in another.
SCALE = 0.02
STATEMENTS = {"plpgsql loop": 10, "plan-heavy": 20, "pgbench -S": 500}
OTHERWISE = 3

CALLGRIND = ["valgrind", "--quiet", "--tool=callgrind"]


def measure(installation, template, directory):
    """The rows of the table: workload, thousands of instructions of a statement without the engine, ratio with it."""
    template = filled(installation, template, directory)
    rows = []
    for workload in WORKLOADS:
        counted = Counted(workload, workload.idle, template, directory)
        plain, off = counted.statement(installation), counted.statement(installation, preload=ENGINE)
        rows.append((workload.name, plain / 1000, off / plain))
    return rows


def compare(builds, template, directory):
    """The rows of the table about two installations, one with the engine before and one with that after: workload, and
    of the idle and of the busy statement, traced, the ratios to the server without the engine and of after to before."""
    template = filled(builds[0], template, directory)
    rows = []
    for workload in WORKLOADS:
        row = [workload.name]
        for sql, targets in ((workload.idle, "hstore"), (workload.busy, "hstore,plpgsql")):
            counted = Counted(workload, sql, template, directory)
            plain = counted.statement(builds[0])
            before, after = (counted.statement(build, TRACE.format(targets), ENGINE) for build in builds)
            row += [before / plain, after / plain, after / before]
        rows.append(row)
    return rows


@dataclass
class Counted:
    """A statement of a workload."""

    workload: Workload
    sql: str
    template: Path
    directory: Path

    def statement(self, installation, setup="", preload=""):
        """What each of so many more statements takes: starting, the first use of everything and ending are in both
        counts."""
        times = STATEMENTS.get(self.workload.name, OTHERWISE)
        statements = self.workload.script(self.sql, SCALE).splitlines()
        script = (statements * times)[:times]
        counts = [self.count(installation, [LOAD, setup, *script * so_often], preload) for so_often in (1, 2)]
        return (counts[1] - counts[0]) / len(script)

    def count(self, installation, script, preload):
        """The instructions of a backend that runs some statements, each of them a line."""
        work = self.directory / "counted"
        data, counts = work / "data", work / "callgrind"
        shutil.copytree(self.template, data)
        work.chmod(0o755)
        give(work)
        data.chmod(0o700)
        settings = {**SETTINGS, "unix_socket_directories": str(work), "shared_preload_libraries": preload}
        done = subprocess.run(
            [
                *(*CALLGRIND, f"--callgrind-out-file={counts}"),
                *(installation.bin / "postgres", "--single", "-D", data),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
                "postgres",
            ],
            cwd="/",
            input="".join(f"{statement}\n" for statement in script),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            **UNPRIVILEGED,
        )
        if done.returncode != 0 or "ERROR: " in done.stderr:
            die(f"a backend on its own failed\n{done.stderr}")
        totals = [line for line in counts.read_text(encoding="utf-8").splitlines() if line.startswith("totals: ")]
        shutil.rmtree(work)
        return int(totals[0].split()[1])
