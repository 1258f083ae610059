"""A worker that shares the slots of a hub: ``python -m tests.many_workers.process URL LEASE NAME LOG``.

It says its worker's id when it has joined, and leaves at the end of its input. Its activity counts, and
writes a line into the file LOG each time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from perdure.engine.activities import Context, Registry
from perdure.engine.store import open_store
from perdure.engine.worker import Worker

ROOT = Path(__file__).parents[2]


class Process:
    """Such a process, from the test's side. The database knows it by its ``name``.

    The command ``within`` runs it elsewhere.
    """

    def __init__(self, url: str, lease: float, name: str, log: Path, within: Sequence[str] = ()) -> None:
        self.name = name
        self._errors = log.with_name(f"{name}.errors")
        command = [sys.executable, "-m", "tests.many_workers.process", url, str(lease), name, str(log)]
        with self._errors.open("w") as errors:
            self.popen = subprocess.Popen(
                [*within, *command],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.popen.stdout is not None
        self.id = self.popen.stdout.readline().strip()

    @property
    def said(self) -> str:
        """Its warnings."""
        return self._errors.read_text()

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self.popen.kill()
        with self.popen:
            pass

    def end(self) -> int:
        """Let it leave; returns its exit code."""
        with self.popen:
            pass
        return self.popen.returncode


def main(url: str, lease: str, name: str, log: str) -> None:
    """Work until the input ends."""

    def increment(n: int, ctx: Context) -> int:
        with Path(log).open("a") as file:
            file.write(f"{ctx.idempotency_key}\n")
        return n + 1

    registry = Registry()
    registry.add("Increment", increment)
    store = open_store(f"{url}&application_name={name}")
    with Worker(store, registry, lease=round(float(lease) * 1_000_000)) as worker:
        sys.stdout.write(f"{worker.id}\n")
        sys.stdout.flush()
        sys.stdin.read()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
