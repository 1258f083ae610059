"""Commands that are killed with SIGKILL and typed again, beside a server that is killed too, or with none."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from subprocess import Popen
from typing import Any

from perdure.engine import clock
from tests.black_box.account import check
from tests.black_box.customers import PATIENCE, Crowd, Customer
from tests.black_box.moments import Watch
from tests.black_box.orders import SHOP, draw
from tests.black_box.processes import Folder, Server

RUN = ("chain", "spread", "family", "trip", "transfer")
TYPISTS = 2
SIZE = 4
"""Commands take a second to begin, so orders are small."""


class Typist(Customer):
    """Somebody who types commands, and the same ones again when they were killed."""

    def __init__(self, name: str, random: Random, folder: Folder, counts: Counter[str]) -> None:
        super().__init__(name, random)
        self._folder = folder
        self._counts = counts
        self._typed = threading.Lock()
        self._popen: Popen[str] | None = None

    def kill(self) -> bool:
        """Kill what is typed at the moment; whether there was anything."""
        with self._typed:
            if self._popen is None or self._popen.poll() is not None:
                return False
            self._popen.kill()
            return True

    def place(self, id: str) -> None:
        """Write down what is to be done, and run it."""
        order = draw(self.random, id, None if self.random.random() < 0.5 else self.random.choice(RUN), SIZE)
        given = ["--id", id, "--input", json.dumps(order.input)]
        if order.events:
            self._type("start", order.workflow, "--if-exists", "reuse", *given)
            self.orders.append(order)
            for key, payload in order.sent.items():
                self._type("events", "send", id, "Go", "--data", json.dumps(payload), "--dedup-key", key)
        else:
            amount = self.random.randint(-9, 9)
            words = ["entities", "signal", "Account@out", "add", "--data", json.dumps(amount)]
            self._type(*words, "--dedup-key", id)
            self.moved["out"] += amount
            self.orders.append(order)
        last = self._type("run", str(SHOP), "--workflow", order.workflow, *given)
        assert last["output"] == order.output, f"{order} gives {last}"

    def _type(self, *words: str) -> Any:
        """Type a command until it comes to its end; returns what it says."""
        until = clock.monotonic() + PATIENCE
        while True:
            with self._typed:
                self._popen = self._folder.command(*words)
            said, _ = self._popen.communicate()
            code = self._popen.returncode
            self._counts[f"{words[0]}: {code}"] += 1
            self.answered += 1
            if code == 0:
                return json.loads(said)["data"]
            assert code == -signal.SIGKILL, f"{words} ends with {code}: {said}"
            assert clock.monotonic() < until, f"{words} is killed for ever"


def kill_commands(path: Path, seed: int, kills: int, *, served: bool = True) -> Counter[str]:
    """Kill commands so often at moments of a seed, and the server beside them; then look at everything.

    Without a server ``perdure run`` takes the turns of all.
    """
    random, folder, counts = Random(f"commands {seed}"), Folder(path), Counter[str]()
    deploy = folder.command("deploy", str(SHOP))
    deploy.communicate()
    assert deploy.returncode == 0
    with ExitStack() as stack:
        server = Server(folder) if served else None
        if server is not None:
            stack.callback(server.kill)
        typists = [Typist(f"t{n}", Random(f"{seed} {n}"), folder, counts) for n in range(TYPISTS)]
        for each in typists:
            stack.callback(each.kill)
        crowd = Crowd(typists)
        watch = Watch(folder, crowd)
        with crowd.working():
            while counts["kills"] < kills and not crowd.failed:
                moment = watch.draw(random, SIZE)
                watch.wait(moment)
                if server is not None and random.random() < 0.3:
                    server.kill()
                    server.begin()
                    counts["kill of the server"] += 1
                elif random.choice(typists).kill():
                    counts["kill of a command"] += 1
                else:
                    continue
                counts["kills"] += 1
                counts[f"kill when {moment.kind}"] += 1
            if server is not None:
                server.ready()
        assert server is None or server.end() == 0, "a server that is told to ends well"
    return counts + check(folder, crowd.orders, crowd.moved)
