"""Dead letters as operators see them: delivered after all, once, or discarded."""

from __future__ import annotations

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import Conflict, Ended, NotFound, UserError
from perdure.engine.events import EventRaised
from perdure.engine.store.memory import MemoryStore
from perdure.engine.worker import Worker
from tests.engine.driver import Hub, compiled
from tests.engine.letters import given_letters

WAITER = compiled('do: [{ e: { wait_for_event: Go, timeout: never } }, { return: "${ e }" }]')


def test_a_late_event_is_delivered_after_all() -> None:
    """A letter for an instance that was not there yet goes to it when it is, and is heard of once."""
    store = MemoryStore()
    (number,) = given_letters(store, "i")
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        with pytest.raises(NotFound, match="no instance 'i'"):
            client.retry_dead_letter(number)
        client.run(WAITER.program, id="i")
        client.acting("ann").retry_dead_letter(number)
        assert client.wait("i", 30)["output"] == "late"
        assert client.dead_letters()["items"] == []
        (entry,) = client.audit(action="dead_letter.retry")["items"]
        assert (entry["actor"], entry["target"], entry["details"]["letter"]) == ("ann", "i", number)


def test_a_letter_that_is_delivered_survives_a_crash(hub: Hub) -> None:
    """It is a row of the inbox, in the transaction that deletes it."""
    hub.start(WAITER)
    hub.run()
    (number,) = given_letters(hub.store, "i")
    client = Client(hub.store)
    answers = [client.retry_dead_letter(number, request_key="k") for _ in range(2)]
    hub.crash()
    hub.run()
    assert answers[0] == answers[1]
    assert hub.output() == "late"
    assert sum(isinstance(event, EventRaised) for event in hub.events()) == 1


def test_what_comes_for_an_ended_instance_stays_a_letter(hub: Hub) -> None:
    """A stored event that an ended instance meets is listed with its payload, and cannot be delivered."""
    hub.start(WAITER)
    hub.raise_event("Go", "first")
    hub.run()
    (number,) = given_letters(hub.store, "i")
    client = Client(hub.store)
    with pytest.raises(Ended):
        client.retry_dead_letter(number)
    letter = client.dead_letter(number)
    assert (letter["instance"], letter["reason"], letter["event"]["input"]) == ("i", "ended", "late")


def test_a_task_is_not_run_behind_its_instance(hub: Hub) -> None:
    """The instance has heard that it failed: the letter says how it runs again."""
    hub.start(WAITER)
    hub.run()
    (number,) = given_letters(hub.store, "i", kind="TaskScheduled")
    with pytest.raises(Conflict) as refused:
        Client(hub.store).retry_dead_letter(number)
    assert refused.value.hint == "what failed runs again after: perdure rewind i"
    hub.raise_event("Go")
    hub.run()


def test_a_letter_is_discarded_once() -> None:
    """A repeated request is answered, another one finds nothing."""
    store = MemoryStore()
    (number,) = given_letters(store, "i")
    client = Client(store)
    assert [client.discard_dead_letter(number, request_key="k") for _ in range(2)] == [{"number": number}] * 2
    with pytest.raises(NotFound, match=f"no dead letter {number}"):
        client.discard_dead_letter(number)
    with pytest.raises(NotFound, match=f"no dead letter {number}"):
        client.dead_letter(number)
    assert len(client.audit()["items"]) == 1


def test_letters_are_read_in_pages() -> None:
    """Newest first, of all instances or of one."""
    store = MemoryStore()
    first, second, third = given_letters(store, "i", "j", "i")
    client = Client(store)
    page = client.dead_letters(limit=2)
    rest = client.dead_letters(limit=2, cursor=page["next"])
    assert [each["number"] for each in page["items"] + rest["items"]] == [third, second, first]
    assert rest["next"] is None
    assert [each["number"] for each in client.dead_letters("i")["items"]] == [third, first]
    with pytest.raises(UserError, match="cursor"):
        client.dead_letters(cursor="x")
