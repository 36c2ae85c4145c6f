"""Private servers for scripts: copies of an installed PostgreSQL with the engine in it, and servers that run from them."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Where "make engine" puts it.
ENGINES = ROOT / "target" / "engine"

# What is tried where nothing is named: a server with frame pointers, and two without.
SERVERS = [
    "/usr/lib/postgresql/15/bin/pg_config",
    str(ROOT / "target/servers/15/bin/pg_config"),
    str(ROOT / "target/servers/18/bin/pg_config"),
]

# The server refuses to run as root.
UNPRIVILEGED = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "fsync": "off",
    "jit": "off",
    "shared_buffers": "128MB",
    "max_prepared_transactions": "2",
}


def die(message):
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def give(path):
    """Makes a file, or a directory with all that is in it, the server's own."""
    if UNPRIVILEGED:
        for directory, _, files in os.walk(path):
            for name in [directory, *(os.path.join(directory, file) for file in files)]:
                shutil.chown(name, UNPRIVILEGED["user"], UNPRIVILEGED["group"])


@contextlib.contextmanager
def work_directory():
    """A temporary directory that the server can reach, with a path that is short enough for a socket."""
    directory = Path(tempfile.mkdtemp(prefix="mcspec-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


class Installation:
    """An installed PostgreSQL."""

    def __init__(self, pg_config):
        self.pg_config = Path(pg_config)
        self.version = self.ask("--version").removeprefix("PostgreSQL ")
        self.major = re.match(r"\d+", self.version)[0]
        self.bin = Path(self.ask("--bindir"))
        self.lib = Path(self.ask("--pkglibdir"))
        self.share = Path(self.ask("--sharedir"))

    def ask(self, option):
        return subprocess.run([self.pg_config, option], check=True, capture_output=True, text=True).stdout.strip()

    def copy(self, directory):
        """A copy below `directory`. The programs look for everything else by its place relative to themselves."""
        trees = {self.bin.parent, self.share}
        for tree in sorted(trees):
            if not any(other in tree.parents for other in trees):
                shutil.copytree(tree, directory / tree.relative_to("/"), symlinks=True)
        return Installation(directory / self.bin.relative_to("/") / "pg_config")

    def add_engine(self, engines=ENGINES):
        """Adds the engine that was built for this major version."""
        built = Path(engines) / self.major
        if not (built / "pg_ext_memcheck.so").exists():
            die(f'no engine in "{built}"\nHINT: make engine PG={self.major}')
        for file in built.iterdir():
            shutil.copy(file, self.lib if file.suffix == ".so" else self.share / "extension")

    def copies(self, directory, engines):
        """Copies below `directory`, by name of the engines that were built for it."""
        copies = []
        for name, built in engines.items():
            copies.append(self.copy(directory / name))
            copies[-1].add_engine(built)
        return copies

    def initdb(self, directory):
        """A new cluster, as a directory to start servers from."""
        data = directory / "template"
        data.mkdir()
        give(data)
        done = subprocess.run(
            [self.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **UNPRIVILEGED,
        )
        if done.returncode != 0:
            die(f"initdb failed\n{done.stderr}")
        return data


class Server:
    """A running server; a context manager, which stops it and removes its files.

    `wrapper` is a command that runs the postmaster, such as valgrind.
    """

    def __init__(self, installation, template, directory, settings=None, wrapper=(), patience=60):
        self.installation = installation
        self.directory = Path(tempfile.mkdtemp(prefix="s", dir=directory))
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.settings = {**SETTINGS, "unix_socket_directories": str(self.directory), **(settings or {})}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "PATH": f"{installation.bin}:{os.environ['PATH']}",
            "PGHOST": str(self.directory),
            "PGPORT": "5432",
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            "TMPDIR": str(self.directory),
        }
        self.directory.chmod(0o755)
        shutil.copytree(template, self.data)
        self.log.touch()
        give(self.directory)
        self.data.chmod(0o700)
        self.start([*wrapper, installation.bin / "postgres", "-D", self.data], patience)

    def start(self, command, patience):
        quoted = ((name, value.replace("'", "''")) for name, value in self.settings.items())
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in quoted)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd="/",
                # The server's own libpq needs it: postgres_fdw.
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **UNPRIVILEGED,
            )
        deadline = time.monotonic() + patience
        while subprocess.run(
            [self.installation.bin / "pg_isready", "-q"], env=self.environment, check=False
        ).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = self.log.read_text(errors="replace")
                self.stop()
                die(f"the server did not start\n{log}")
            time.sleep(0.1)

    def psql(self, *sql):
        """Runs statements, each in a message of its own, and returns what they print."""
        command = [self.installation.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
        for statement in sql:
            command += ["-c", statement]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            die(f"{done.stderr}{self.log.read_text(errors='replace')}")
        return done.stdout.strip()

    def shut_down(self):
        """Ends the server in good order and leaves its data directory, a template for others."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
