"""A worker that stands still in the middle of what it sends: ``python -m tests.outages.halfway URL LEASE``.

It says so, and ends with its input. The lease is in microseconds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from perdure.engine.store.postgres import PostgresStore
from tests.checkout import ROOT
from tests.engine.store.factory import worker

WORKER = "halfway"


@contextmanager
def standing(url: str, lease: int, within: Sequence[str] = ()) -> Iterator[None]:
    """Such a process, which has come so far."""
    words = [*within, sys.executable, "-m", "tests.outages.halfway", url, str(lease)]
    popen = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert popen.stdout is not None
    assert popen.stdout.readline() == "halfway\n", "it has not come so far"
    try:
        yield
    finally:
        popen.kill()
        with popen:
            pass


def main(url: str, lease: str) -> None:
    """Join, begin a transaction, and send the first of several statements that go together."""
    store = PostgresStore(url)
    store.join(worker(WORKER), int(lease))
    with store._fenced(WORKER):
        sending = store._members[WORKER].connection.pgconn
        sending.enter_pipeline_mode()
        sending.send_query_params(b"UPDATE workers SET host = 'held' WHERE id = 'halfway'", None)
        while sending.flush():
            pass
        sys.stdout.write("halfway\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
