"""A shop that is open while its database has outages: what people run, and clients who do not give up."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from perdure.engine import clock
from tests.black_box.account import check, settle
from tests.black_box.clients import Desk, Patient
from tests.black_box.customers import Crowd
from tests.black_box.orders import ACTIVITIES, SHOP
from tests.black_box.processes import Folder, Server

STUCK_SECONDS = 90.0
"""Nobody is answered for so long: the run has failed. An outage takes a few seconds."""
LOOK_SECONDS = 0.002


@dataclass(frozen=True)
class Shop:
    """While it is open."""

    folder: Folder
    crowd: Crowd
    random: Random
    counts: Counter[str]

    @property
    def placed(self) -> int:
        """How many orders were acknowledged."""
        return len(self.crowd.orders)

    def until(self, fact: Callable[[], object]) -> bool:
        """Wait until it is true, as long as clients are answered; whether all goes well until then."""
        pause, answered, since = threading.Event(), self.crowd.answered, clock.monotonic()
        while not (fact() or self.crowd.failed):
            pause.wait(LOOK_SECONDS)
            if self.crowd.answered != answered:
                answered, since = self.crowd.answered, clock.monotonic()
            assert clock.monotonic() - since < STUCK_SECONDS, "nobody is answered any more"
        return not self.crowd.failed

    def until_answered(self, more: int, seconds: float = 0.0) -> bool:
        """Wait for so many more answers, and for so many seconds if that takes longer."""
        wanted, end = self.crowd.answered + more, clock.monotonic() + seconds
        return self.until(lambda: self.crowd.answered >= wanted and clock.monotonic() >= end)


def trade(
    path: Path,
    url: str,
    seed: int,
    trouble: Callable[[Shop], None],
    *,
    servers: int = 2,
    workers: int = 1,
    desks: int = 12,
    mutant: str | None = None,
    heir: str | None = None,
) -> Counter[str]:
    """Orders come in until ``trouble`` returns; then every acknowledged one must have been carried out once.

    ``servers`` serve the API and take turns, ``workers`` take turns, all of them run activities. ``heir`` is
    the URL under which the hub is found in the end. Returns counts of what was done.
    """
    folder, counts = Folder(path, url), Counter[str]()
    with ExitStack() as stack:
        serving = list[Server]()
        for _ in range(servers):
            serving.append(Server(folder, mutant=mutant))
            stack.callback(serving[-1].kill)
        working = [stack.enter_context(_worker(folder)) for _ in range(workers)]
        urls = [each.url for each in serving]
        patient = Patient(urls, counts)
        stack.callback(patient.close)
        patient.ask("deploy", lambda client: client.deploy_source(SHOP.read_text("utf-8"), SHOP.name))
        # Each begins with another server.
        turned = [urls[n:] + urls[:n] for n in range(servers)]
        crowd = Crowd(
            [Desk(f"d{n}", Random(f"{seed} {n}"), Patient(turned[n % servers], counts)) for n in range(desks)]
        )
        with crowd.working():
            trouble(Shop(folder, crowd, Random(f"trouble {seed}"), counts))
        settle(patient, counts)
        for server in serving:
            assert server.end() == 0, "a server that is told to ends well"
        for process in working:
            process.send_signal(signal.SIGTERM)
            process.communicate()
            assert process.returncode == 0, "a worker that is told to ends well"
    return counts + check(Folder(path, heir or url), crowd.orders, crowd.moved)


@contextmanager
def _worker(folder: Folder) -> Iterator[subprocess.Popen[str]]:
    """``perdure worker``, which has joined the hub."""
    process = folder.command("worker", str(ACTIVITIES))
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert '"data"' in said, f"the worker did not start: {said}"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.communicate()
