"""What the database does not take of an entity: that one message goes, and all others have their effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

import perdure
from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import Refused
from perdure.engine.events import OperationRequested
from perdure.engine.store.rows import Batch, Request
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.driver import Hub, compiled
from tests.engine.facts import WAIT

BAD = 666
SPOILS = compiled("do: [ { c: { call_entity: Box@a, op: put, with: 666 } } ]").program
GOOD = compiled("do: [ { c: { call_entity: Box@b, op: put, with: 1 } }, { return: '${ c }' } ]").program


@perdure.entity("Box")
class Box:
    """Keeps what was put in last."""

    value: int = 0

    def put(self, value: int) -> int:
        """Put in."""
        self.value = value
        return value


def spoilt(batch: Batch) -> bool:
    """Whether a batch has what the database does not take."""
    return any(each.row is not None and str(BAD) in (each.row.state or "") for each in batch.entities)


class Picky(SqliteStore):
    """A database that does not take one state of an entity."""

    def commit(self, batch: Batch) -> int:
        if spoilt(batch):
            raise Refused("no")
        return super().commit(batch)


@contextmanager
def picky(hub: Hub) -> Iterator[None]:
    """Let the database of a hub be so for a while."""
    commit = hub.store.commit

    def guarded(batch: Batch) -> int:
        if spoilt(batch):
            raise Refused("no")
        return commit(batch)

    hub.store.commit = guarded  # type: ignore[method-assign]
    yield
    hub.store.commit = commit  # type: ignore[method-assign]


def put(value: int) -> OperationRequested:
    """A signal."""
    return OperationRequested(operation="put", input=value)


def test_a_worker_goes_on(tmp_path: Path) -> None:
    """It finds out what is refused, and does not join again for that."""
    store, registry = Picky(tmp_path / "hub.db"), Registry()
    registry.add_entity(Box)
    with Worker(store, registry, lease=3_000_000) as worker:
        client, first = Client(store, worker), worker.id
        client.run(SPOILS, id="bad")
        client.run(GOOD, id="good")
        assert client.wait("good", WAIT)["output"] == 1
        assert client.wait("bad", WAIT)["status"] == "Failed"
        assert worker.id == first
    store.close()


def test_what_a_worker_has_made_fails_while_others_wait(hub: Hub) -> None:
    """Messages that came behind it do not hide it."""
    hub.registry.add_entity(Box)
    hub.manual = True
    hub.post("Box@a", put(BAD))
    hub.run()
    (row,) = hub.claim()
    hub.post("Box@a", put(2))
    hub.run()
    hub.manual = False
    with picky(hub):
        hub._start([hub._work(row)])
        hub.run()
    assert hub.state("Box@a") == {"value": 2}
    assert hub.leftovers("@Box@a") == []
    assert "perdure.Payload" in hub.notes[0]


BOX = """
name: Box
state: { schema: { type: object, properties: { value: { type: integer } } }, initial: { value: 0 } }
operations:
  put: { input: { type: integer }, set: { value: "${ input }" }, return: "${ input }" }
"""
HOLDS = """
do:
  - l:
      lock_entities: [ Box@a ]
      do:
        - e: { wait_for_event: Go, timeout: never }
        - t:
            try: [ { c: { call_entity: Box@a, op: put, with: 666 } } ]
            catch: [ { errors: [perdure.Payload], do: [ output: refused ] } ]
        - output: "${ t }"
  - return: "${ l }"
"""


def test_what_waits_for_the_lock_does_not_hide_it(hub: Hub) -> None:
    """The holder's message is the one that is refused, though another came first; the holder is told."""
    hub.entity(BOX)
    hub.start(HOLDS)
    hub.run()
    hub.post("Box@a", put(2))
    hub.run()
    hub.raise_event("Go")
    with picky(hub):
        hub.run()
    assert hub.output() == "refused"
    assert hub.state("Box@a") == {"value": 2}
    assert hub.leftovers("@Box@a") == []


SHELF = """
name: Box
state: { schema: { type: array, items: { type: integer } }, initial: [] }
operations:
  put: { input: { type: integer }, set: "${ state + [input] }", return: "${ state }" }
"""
"""Keeps everything, so that what comes behind what is refused does not hide it."""


def test_a_refused_signal_is_a_dead_letter(hub: Hub) -> None:
    """Those before and behind it count."""
    hub.entity(SHELF)
    sent = [hub.post("Box@a", put(value)) for value in (1, BAD, 3)]
    with picky(hub):
        hub.run()
    assert hub.state("Box@a") == [1, 3]
    assert [(each.id, each.reason) for each in hub.store.dead_letters()] == [(sent[1], "refused")]


def test_what_a_client_of_this_process_says_and_is_refused_is_asked_again(hub: Hub) -> None:
    """Nothing of it is left; those behind it are answered."""
    hub.entity(SHELF)
    bad, last = [hub.tell("Box@a", put(value)) for value in (BAD, 3)]
    with picky(hub):
        hub.run()
    assert (hub.asked, hub.answered) == ([bad], [last])
    assert hub.state("Box@a") == [3]


def test_a_client_elsewhere_is_told_what_is_refused(hub: Hub) -> None:
    """Under the key of its request, as it would be told a result."""
    hub.entity(SHELF)
    request = Request(route="operate", target="@Box@a", key="k", fingerprint="", answer="")
    key = (request.route, request.target, request.key)
    event = OperationRequested(operation="put", input=BAD, request=key)
    hub.store.post(hub._message("@Box@a", event), request)
    with picky(hub):
        hub.run()
    answer = msgspec.json.decode(hub.store.look_up([], [], [key]).requests[key].answer)
    assert answer["error"] == "perdure.Payload"
    assert hub.store.dead_letters() == []
