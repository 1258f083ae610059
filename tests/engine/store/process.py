"""A process beside the test: ``python -m tests.engine.store.process MODE PATH [ARGUMENT ...]``.

It says ``ready`` on its standard output when it is, and waits for a line or the end of its standard input
where a mode says so.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from perdure.engine.errors import StoreError
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Batch
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.store.factory import LEASE, batch, row, turn, worker

ROOT = Path(__file__).parents[3]


def spawn(mode: str, path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a process in a mode; its standard streams are pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.store.process", mode, str(path), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def heard(process: subprocess.Popen[str]) -> str:
    """The next line that the process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    """Give a waiting process its line."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def hold(path: str, id_: str) -> None:
    """Join, take the slots, and live until the input ends."""
    store = _joined(path, id_)
    store.take_slots(id_)
    _say("ready")
    sys.stdin.read()


def write(path: str, id_: str, commits: str) -> None:
    """On a line of input, commit so many batches of ten turns."""
    store = _joined(path, id_)
    _say("ready")
    sys.stdin.readline()
    for number in range(int(commits)):
        store.commit(_ten(id_, number))
    store.close()


def busy(path: str, id_: str) -> None:
    """Commit batches of ten turns, one after the other, until the input ends."""
    store = _joined(path, id_)
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        store.commit(_ten(id_, number))
        number += 1
        if number == 1:
            _say("ready")
    store.close()


def stand(path: str) -> None:
    """Stand in the turnstile until the input ends."""
    store = SqliteStore(path)
    with store._turnstile:
        _say("ready")
        sys.stdin.read()


def create(path: str) -> None:
    """On a line of input, open the database."""
    _say("ready")
    sys.stdin.readline()
    store = SqliteStore(path)
    _say(str(len(store.definitions())))
    store.close()


def gone(path: str, id_: str) -> None:
    """Say who is gone."""
    store = SqliteStore(path)
    _say(",".join(store.gone(id_)))
    store.close()


def fork(path: str) -> None:
    """Use the store in a forked child; the child's exit code is one's own."""
    store = SqliteStore(path)
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    try:
        store.pin("p", "{}")
    except StoreError:
        own = SqliteStore(path)
        own.pin("p", "{}")
        own.close()
        sys.exit(0)
    sys.exit(1)


def modules(path: str) -> None:
    """Say whether opening an up-to-date database loaded alembic."""
    SqliteStore(path).close()
    _say(str("alembic" in sys.modules))


def _joined(path: str, id_: str) -> Store:
    store = SqliteStore(path)
    store.join(worker(id_), LEASE)
    return store


def _ten(id_: str, number: int) -> Batch:
    return batch(
        *(turn(f"{id_}-{one}", row(f"{id_}-{one}", first_seq=2 * number)) for one in range(10)), worker=id_
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


MODES: dict[str, Callable[..., None]] = {
    mode.__name__: mode for mode in (hold, write, busy, stand, create, gone, fork, modules)
}

if __name__ == "__main__":
    MODES[sys.argv[1]](*sys.argv[2:])
