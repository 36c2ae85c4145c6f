"""What guarding costs: PL/pgSQL's regression suite with plpgsql as the target, and the workloads with a target that is idle."""

import contextlib
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import trace_cost
from private_server import Server, die
from session import Session

ENGINE = trace_cost.ENGINE

# The parameters of the sessions, by the names of the columns.
MODES = {
    "traced": {"trace": "on", "guard": "off"},
    "redzone": {"trace": "on", "guard": "redzone"},
    "pages": {"trace": "on", "guard": "pages"},
}

# Of the time that is traced; bench/guard fails where it is more.
LIMITS = {"redzone": 1.25, "pages": 3.0}
IDLE_LIMIT = 1.02

VALGRIND_ROUNDS = 3


def suite_files(source):
    """The files of the suite, in the order of its Makefile."""
    directory = Path(source) / "src/pl/plpgsql/src"
    makefile = (directory / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    names = next(line.split("=", 1)[1].split() for line in makefile.splitlines() if line.startswith("REGRESS ="))
    return [directory / "sql" / f"{name}.sql" for name in names]


class Suite:
    """The suite on one server, in a database that is made anew for each run."""

    def __init__(self, files, server):
        self.files, self.server = files, server
        self.results = Path(tempfile.mkdtemp(dir=server.directory))
        (self.results / "results").mkdir()
        for path in (self.results, self.results / "results"):
            path.chmod(0o777)

    def cpu(self, options):
        """Nanoseconds of the backends' CPU, one backend for each file, and what they have printed."""
        self.server.psql("DROP DATABASE IF EXISTS regression", "CREATE DATABASE regression")
        total, printed = 0, []
        for file in self.files:
            nanoseconds, output = self.run(file, options)
            total += nanoseconds
            printed.append(output)
        return total, printed

    def run(self, file, options):
        # The time of the backend itself, read when the last statement has ended.
        script = f"\\i {file}\n\\o {self.results}/pid\nSELECT pg_backend_pid();\n\\o\n" + (
            f"\\! cat /proc/$(tr -dc 0-9 <{self.results}/pid)/schedstat >{self.results}/cpu\n"
        )
        environment = {
            **self.server.environment,
            "PGDATABASE": "regression",
            "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in options.items()),
            "PG_ABS_SRCDIR": str(file.parent.parent),
            "PG_ABS_BUILDDIR": str(self.results),
        }
        command = [self.server.installation.bin / "psql", "-XAtq"]
        done = subprocess.run(
            command, input=script, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
        cpu = self.results / "cpu"
        if not cpu.exists():
            die(f"{file.name} did not come to its end\n{done.stderr}")
        nanoseconds = int(cpu.read_text(encoding="ascii").split()[0])
        cpu.unlink()
        return nanoseconds, done.stdout + done.stderr


def engine_options(targets, mode):
    return {f"{ENGINE}.{name}": value for name, value in {"targets": targets, **MODES[mode]}.items()}


def measure_suite(installation, template, directory, source, rounds):
    """Milliseconds of the suite without the engine, the ratio of the traced one to it, and of each guard to the traced one;
    and of Valgrind to the one without the engine, or None."""
    files = suite_files(source)
    base, ratios = [], {mode: [] for mode in MODES}
    for number in range(rounds):
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(Server(installation, template, directory))
            loaded = stack.enter_context(Server(installation, template, directory, {"shared_preload_libraries": ENGINE}))
            loaded.psql(f"CREATE EXTENSION {ENGINE}")
            measures = [(None, Suite(files, plain), {})]
            measures += [(mode, Suite(files, loaded), engine_options("plpgsql", mode)) for mode in MODES]
            # There and back again, so that a machine that becomes slower favours nobody.
            cpu, printed = {}, {}
            for mode, suite, options in measures if number % 2 else reversed(measures):
                cpu[mode], printed[mode] = suite.cpu(options)
            for mode in MODES:
                if printed[mode] != printed[None]:
                    die(f"{mode}: the suite gives other results")
            base.append(cpu[None])
            ratios["traced"].append(cpu["traced"] / cpu[None])
            for mode in LIMITS:
                ratios[mode].append(cpu[mode] / cpu["traced"])
    valgrind = None
    if shutil.which("valgrind"):
        options = {"wrapper": trace_cost.VALGRIND, "patience": 300}
        with Server(installation, template, directory) as plain, Server(installation, template, directory, **options) as slow:
            suites = [Suite(files, server) for server in (plain, slow)]
            rounds = [[suite.cpu({})[0] for suite in suites] for _ in range(VALGRIND_ROUNDS)]
            valgrind = statistics.median(slow / plain for plain, slow in rounds)
    return [statistics.median(base) / 1e6, *(statistics.median(ratios[mode]) for mode in MODES), valgrind]


def measure_idle(installation, template, directory, rounds):
    """Of each workload the ms where it is traced, and the ratios of each guard to that, hstore being the target."""
    template = trace_cost.filled(installation, template, directory)
    base = [[] for _ in trace_cost.WORKLOADS]
    ratios = [{mode: [] for mode in LIMITS} for _ in trace_cost.WORKLOADS]
    for number in range(rounds):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(installation, template, directory, {"shared_preload_libraries": ENGINE}))
            server.psql(f"CREATE EXTENSION {ENGINE}")
            # Who comes first has another place in memory: it is not always the same one.
            order = list(MODES) if number % 2 else list(reversed(MODES))
            sessions = {}
            for mode in order:
                settings = [f"SET {name} = '{value}';" for name, value in engine_options("hstore", mode).items()]
                sessions[mode] = stack.enter_context(Session(server, trace_cost.LOAD, *settings))
            for workload, figure, ratio in zip(trace_cost.WORKLOADS, base, ratios):
                measures = [(sessions[mode], workload.idle) for mode in order]
                cpu = dict(zip(order, (cpu[0] for cpu in trace_cost.interleaved(1, workload, 1, measures))))
                figure.append(cpu["traced"])
                for mode in LIMITS:
                    ratio[mode].append(cpu[mode] / cpu["traced"])
    return [
        (workload.name, statistics.median(figure) / 1e6, *(statistics.median(ratio[mode]) for mode in LIMITS))
        for workload, figure, ratio in zip(trace_cost.WORKLOADS, base, ratios)
    ]
