"""What a statement takes in instructions on a server with the engine, preloaded and off, and on one without.

Time cannot tell: where the server's code and data happen to lie makes some per cent. Valgrind counts the instructions of
one backend that runs on its own; they hardly differ from one run to the next.
"""

import shutil
import subprocess

from private_server import SETTINGS, UNPRIVILEGED, die, give
from trace_cost import ENGINE, LOAD, WORKLOADS, filled

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
        times = STATEMENTS.get(workload.name, OTHERWISE)
        statements = workload.script(workload.idle, SCALE).splitlines()
        script = (statements * times)[:times]
        plain, off = (one_statement(installation, template, directory, script, engine) for engine in ("", ENGINE))
        rows.append((workload.name, plain / 1000, off / plain))
    return rows


def one_statement(installation, template, directory, script, preload):
    """What each of so many more statements takes: starting, the first use of everything and ending are in both counts."""
    once, twice = (count(installation, template, directory, script * times, preload) for times in (1, 2))
    return (twice - once) / len(script)


def count(installation, template, directory, script, preload):
    """The instructions of a backend that runs some statements, each of them a line."""
    work = directory / "counted"
    data, counts = work / "data", work / "callgrind"
    shutil.copytree(template, data)
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
        input="".join(f"{statement}\n" for statement in (LOAD, *script)),
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
