"""Who did what: operators' acts are written with their effects, whoever carries them out and how often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import Busy, Ended, OutcomeUnknown, StoreError, UserError
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import Batch
from perdure.engine.worker import Worker
from tests.engine.driver import compiled

SLEEPER = compiled("do: [{ e: { wait_for_event: Go, count: 2, timeout: never } }]").program


class Trouble(MemoryStore):
    """A store whose next commit with an entry of the audit fails, before or after it is written."""

    error: StoreError | None = None
    written = False

    def commit(self, batch: Batch) -> int:
        error = self.error if batch.audit else None
        if error is None:
            return super().commit(batch)
        self.error = None
        if self.written:
            super().commit(batch)
        raise error


@contextmanager
def working(store: MemoryStore) -> Iterator[Client]:
    """A worker that owns the slots, and its client."""
    with Worker(store, Registry()) as worker:
        yield Client(store, worker)


def said(client: Client) -> list[tuple[str, str, str, object]]:
    """The audit, oldest first."""
    items = client.audit()["items"]
    return [(each["actor"], each["action"], each["target"], each["details"]) for each in reversed(items)]


ACTS = [
    ("ann", "instance.suspend", "i", {"reason": "lunch"}),
    ("local", "instance.resume", "i", {}),
    ("ann", "instance.terminate", "i", {}),
]


def act(client: Client) -> None:
    """Suspend, resume and terminate an instance, two of the three on somebody's behalf."""
    ann = client.acting("ann")
    ann.suspend("i", "lunch")
    client.resume("i")
    client.raise_event("i", "Go")
    ann.terminate("i")


def test_acts_are_audited_by_the_owner() -> None:
    """They ride in its batches; what is no operator's act is not audited."""
    with working(MemoryStore()) as client:
        client.run(SLEEPER, id="i")
        act(client)
        client.wait("i", 30)
        assert said(client) == ACTS


def test_acts_are_audited_without_an_owner() -> None:
    """They are written with the message, before anybody has heard of it."""
    client = Client(MemoryStore())
    client.run(SLEEPER, id="i")
    act(client)
    assert said(client) == ACTS


@pytest.mark.parametrize("owned", [True, False])
def test_an_act_that_is_repeated_is_audited_once(owned: bool) -> None:
    """The key of the request says that it is the same one."""
    store = MemoryStore()
    with working(store) as client:
        client.run(SLEEPER, id="i")
        asking = client if owned else Client(store)
        for _ in range(2):
            asking.suspend("i", "lunch", request_key="k")
        assert said(client) == [("local", "instance.suspend", "i", {"reason": "lunch"})]


@pytest.mark.parametrize("error", [OutcomeUnknown("broken"), Busy("busy")])
@pytest.mark.parametrize("written", [True, False])
def test_a_commit_that_breaks_audits_an_act_once(error: StoreError, written: bool) -> None:
    """Whether it was written or not, the act and its entry are there together, once."""
    store = Trouble()
    with working(store) as client:
        client.run(SLEEPER, id="i")
        store.error, store.written = error, written and isinstance(error, OutcomeUnknown)
        client.terminate("i", request_key="k")
        assert client.wait("i", 30)["status"] == "Terminated"
        assert said(client) == [("local", "instance.terminate", "i", {})]


def test_what_is_refused_is_not_audited() -> None:
    """Nothing was done."""
    with working(MemoryStore()) as client:
        client.run(SLEEPER, id="i")
        client.terminate("i")
        client.wait("i", 30)
        with pytest.raises(Ended):
            client.suspend("i")
        assert len(said(client)) == 1


def test_the_audit_is_read_in_pages() -> None:
    """Newest first, each page with the place of the next."""
    client = Client(MemoryStore())
    client.run(SLEEPER, id="i")
    for number in range(3):
        client.suspend("i", str(number))
    first = client.audit(limit=2)
    second = client.audit(limit=2, cursor=first["next"])
    reasons = [each["details"]["reason"] for page in (first, second) for each in page["items"]]
    assert (reasons, second["next"]) == (["2", "1", "0"], None)


def test_the_audit_is_asked_for_one_thing() -> None:
    """By what was acted on, by the act, by who acted."""
    client = Client(MemoryStore())
    for name in ("i", "j"):
        client.run(SLEEPER, id=name)
        client.acting(f"for {name}").suspend(name)
    assert [each["target"] for each in client.audit(target="j")["items"]] == ["j"]
    assert [each["target"] for each in client.audit(actor="for i")["items"]] == ["i"]
    assert client.audit(action="instance.resume")["items"] == []


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256])
def test_an_actor_has_a_printable_name(name: str) -> None:
    """What would spoil a listing is refused."""
    with pytest.raises(UserError, match="1 to 255 printable"):
        Client(MemoryStore()).acting(name)
