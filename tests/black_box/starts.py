"""Clients that start instances over HTTP, each once, while the server is killed and comes again (I1, I2, I5).

A client has an idempotency key for each of its starts, and no id: it repeats a start under its key until
somebody answers it. In the end there are as many instances as keys.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random

from perdure.engine import clock
from perdure.engine.instance import Status
from perdure.engine.programs import Programs
from perdure.engine.store.sqlite import SqliteStore
from tests.black_box.account import SETTLE_SECONDS, check_history, instances_of, intact
from tests.black_box.clients import Patient
from tests.black_box.customers import PATIENCE
from tests.black_box.ledger import bookings, keys
from tests.black_box.orders import SHOP
from tests.black_box.processes import Folder, Server

CLIENTS = 20
ANSWER_SECONDS = 30.0
PAUSE = 0.05
AGAIN = {429, 503}
"""Statuses after which a client asks again."""


class Starter(threading.Thread):
    """Starts ``count`` instances, one after the other; who is ``patient`` repeats what nobody answers."""

    def __init__(self, url: str, name: str, count: int, *, patient: bool = True) -> None:
        super().__init__(name=name, daemon=True)
        self.ids: dict[str, str] = {}
        """What was acknowledged, by its key."""
        self.outcomes = Counter[str]()
        self.error: BaseException | None = None
        self._place = url.removeprefix("http://")
        self._count = count
        self._patient = patient
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        try:
            for number in range(self._count):
                key = f"{self.name} {number}"
                made = self._start(key)
                if made is None:
                    break
                self.ids[key] = made
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            self._leave()

    def _start(self, key: str) -> str | None:
        until, pause = clock.monotonic() + PATIENCE, threading.Event()
        while True:
            try:
                status, document = self._ask(key)
            except (OSError, http.client.HTTPException, ValueError) as error:
                # ValueError: an answer that was cut in its middle.
                self.outcomes[f"start: {type(error).__name__}"] += 1
                self._leave()
            else:
                self.outcomes[f"start: {status}"] += 1
                if status == 201:
                    return str(document["id"])
                assert status in AGAIN, document
            if not self._patient:
                return None
            assert clock.monotonic() < until, f"nobody answers {key}"
            pause.wait(PAUSE)

    def _ask(self, key: str) -> tuple[int, dict[str, object]]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._place, timeout=ANSWER_SECONDS)
        body = json.dumps({"workflow": "chain", "input": {"n": 1}})
        headers = {"content-type": "application/json", "idempotency-key": key}
        self._connection.request("POST", "/api/v1/instances", body, headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def start_through_kills(
    path: Path, seed: int, count: int, kills: int = 3, mutant: str | None = None
) -> Counter[str]:
    """``count`` starts by ``CLIENTS`` clients through so many SIGKILLs, spread over the run by the seed."""
    random, folder, counts = Random(f"starts {seed}"), Folder(path), Counter[str]()
    with ExitStack() as stack:
        server = Server(folder, mutant=mutant)
        stack.callback(server.kill)
        patient = Patient([server.url], counts)
        stack.callback(patient.close)
        patient.ask("deploy", lambda client: client.deploy_source(SHOP.read_text("utf-8"), SHOP.name))
        starters = [Starter(server.url, f"c{n}", count // CLIENTS) for n in range(CLIENTS)]
        for each in starters:
            each.start()
        for number in range(kills):
            _wait(starters, round(count * (number + random.uniform(0.2, 0.8)) / kills))
            server.kill()
            server.begin()
            server.ready()
            counts["kills"] += 1
        for each in starters:
            each.join()
            if each.error is not None:
                raise each.error
            counts += each.outcomes
        _settle(patient)
        assert server.end() == 0, "a server that is told to ends well"
    return counts + _check(folder, {key: made for each in starters for key, made in each.ids.items()})


def stop_under_starts(path: Path, acknowledged: int, mutant: str | None = None) -> Counter[str]:
    """SIGTERM when so many starts are acknowledged, to a server at which ``CLIENTS`` clients start more.

    What it has begun to do it answers: there are exactly the instances of which somebody knows.
    """
    folder, counts = Folder(path), Counter[str]()
    with ExitStack() as stack:
        server = Server(folder, mutant=mutant)
        stack.callback(server.kill)
        patient = Patient([server.url], counts)
        stack.callback(patient.close)
        patient.ask("deploy", lambda client: client.deploy_source(SHOP.read_text("utf-8"), SHOP.name))
        starters = [Starter(server.url, f"c{n}", 100_000, patient=False) for n in range(CLIENTS)]
        for each in starters:
            each.start()
        _wait(starters, acknowledged)
        assert server.end() == 0, "a server that is told to ends well"
        for each in starters:
            each.join()
            if each.error is not None:
                raise each.error
            counts += each.outcomes
        server.begin()
        server.ready()
        _settle(patient)
        assert server.end() == 0, "a server that is told to ends well"
    return counts + _check(folder, {key: made for each in starters for key, made in each.ids.items()})


def _wait(starters: list[Starter], acknowledged: int) -> None:
    """Return when so many starts are, or when somebody has failed."""
    pause, until = threading.Event(), clock.monotonic() + 2 * PATIENCE
    while sum(len(each.ids) for each in starters) < acknowledged:
        if any(each.error is not None for each in starters):
            return
        assert clock.monotonic() < until, "the starts do not go on"
        pause.wait(0.001)


def _settle(patient: Patient) -> None:
    """Return when every instance has ended. No turn of theirs is so bad that it were taken for poison."""
    pause, until = threading.Event(), clock.monotonic() + SETTLE_SECONDS
    while active := patient.ask(
        "list", lambda client: client.instances(statuses=("Pending", "Running", "Suspended"), limit=10)
    )["items"]:
        assert clock.monotonic() < until, f"stuck: {active}"
        pause.wait(0.05)


def _check(folder: Folder, acknowledged: dict[str, str]) -> Counter[str]:
    """As many instances as keys, the ones that were acknowledged, and each completed once."""
    intact(folder)
    ids = set(acknowledged.values())
    assert len(ids) == len(acknowledged), "two keys were given one instance"
    store = SqliteStore(folder.database)
    try:
        found = instances_of(store)
        assert set(found) == ids, f"{len(found)} instances for {len(ids)} keys"
        statuses = Counter(each.status for each in found.values())
        assert statuses == {Status.COMPLETED: len(ids)}, statuses
        programs = Programs(store.program)
        events = sum(check_history(store, programs, each) for each in found.values())
    finally:
        store.close()
    done, runs = keys(bookings(folder.ledger)), bookings(folder.ledger)
    assert done == {each: Counter({("chain", 0): 1}) for each in ids}, (
        "an instance booked twice, or not at all"
    )
    again = len(runs) - len(ids)
    return Counter({"instances": len(ids), "events": events, "activities run again": again})
