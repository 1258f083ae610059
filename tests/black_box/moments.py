"""When a process is killed or stopped: after so much progress, as it is seen from outside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from perdure.engine import clock
from tests.black_box.customers import Crowd
from tests.black_box.processes import Folder, Server

STUCK_SECONDS = 60.0
"""Without any progress for so long, the run has failed."""
SOON_SECONDS = 25.0
"""What a lease and a few writes bring about takes far less."""
LOOK_SECONDS = 0.0005


KINDS = ("booked", "written", "answered")


@dataclass(frozen=True)
class Moment:
    """After so many steps of one kind of progress."""

    kind: str
    count: int


def until(fact: Callable[[], object]) -> None:
    """Look until the fact is true. Fails when it does not become so in time."""
    end, pause = clock.monotonic() + SOON_SECONDS, threading.Event()
    while not fact():
        assert clock.monotonic() < end, "it did not come true"
        pause.wait(0.02)


class Watch:
    """Sees the ledger grow, the log being written, and clients being answered."""

    def __init__(self, folder: Folder, crowd: Crowd) -> None:
        self._folder = folder
        self._kinds: dict[str, Callable[[], object]] = {
            "booked": lambda: _size(folder.ledger),
            "written": lambda: _stamp(folder.log),
            "answered": lambda: crowd.answered,
        }
        self._crowd = crowd

    def draw(self, random: Random, most: int = 25, kinds: Sequence[str] = KINDS) -> Moment:
        """Any moment soon."""
        return Moment(random.choice(kinds), random.randint(1, most))

    def wait(self, moment: Moment) -> None:
        """Return when it has come. Fails when nothing goes on any more."""
        look, pause = self._kinds[moment.kind], threading.Event()
        left, seen, since = moment.count, look(), clock.monotonic()
        while left and not (self._crowd.failed or self._crowd.over):
            now = look()
            if now != seen:
                left, seen, since = left - 1, now, clock.monotonic()
            assert clock.monotonic() - since < STUCK_SECONDS, f"nothing goes on before {moment}"
            pause.wait(LOOK_SECONDS)

    def until_written(self, server: Server, times: int) -> None:
        """Return when the log was written so often, or when the server answers."""
        pause, seen = threading.Event(), _stamp(self._folder.log)
        while times and not server.answers:
            now = _stamp(self._folder.log)
            times -= now != seen
            seen = now
            pause.wait(LOOK_SECONDS)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _stamp(path: Path) -> tuple[int, int]:
    """Changes when the file is written."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
