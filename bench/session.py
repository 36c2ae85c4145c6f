"""A backend whose CPU time is measured while it runs statements."""

import subprocess
import sys
import tempfile


class Session:
    """A psql that runs one statement after the other, each in a message of its own."""

    def __init__(self, server, *setup):
        # The engine's INFO messages come whatever client_min_messages is.
        self.messages = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [
                server.installation.bin / "psql",
                *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            text=True,
            env=server.environment,
        )
        self.pid = int(self.ask("SELECT pg_backend_pid();"))
        for sql in ("SET client_min_messages = warning;", *setup):
            self.ask(sql)

    def ask(self, sql):
        """Runs SQL and returns what it prints."""
        self.process.stdin.write(f"{sql}\n\\echo <done>\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == "<done>\n":
                return "".join(lines).strip()
            lines.append(line)
        self.messages.seek(0)
        sys.exit(f"bench: psql ended\n{self.messages.read()}")

    def cpu(self, sql):
        """Backend CPU of some SQL, in nanoseconds; what it prints is thrown away."""
        before = self.on_cpu()
        self.ask(f"\\o /dev/null\n{sql}\n\\o")
        return self.on_cpu() - before

    def on_cpu(self):
        """Nanoseconds the backend has spent on a CPU (proc(5), schedstat)."""
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
