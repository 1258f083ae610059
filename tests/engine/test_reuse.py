"""Starts under an id that may be in use, with an event, or for later: with the owner here and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client, Deployment
from perdure.engine.errors import Conflict, Ended, NotFound, UserError
from perdure.engine.residents import MAX_BUFFER
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import PayloadRow
from perdure.engine.worker import Worker
from tests.engine.driver import SECOND, Hub, compiled

SUMS = """
dsl: perdure/1
name: sums
version: 1.0.0
events:
  Add: { schema: { type: integer } }
do:
- first: { wait_for_event: Add, timeout: never }
- return: "${ input + first }"
"""


@pytest.fixture(params=["here", "elsewhere"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client in the process of the owner, and one that has the database alone."""
    store = MemoryStore()
    program = compiled(SUMS).program
    with Worker(store, Registry()) as worker:
        client = Client(store, worker if request.param == "here" else None)
        client.deploy([Deployment(name="sums", version="1.0.0", digest="d", program=program, source=SUMS)])
        yield client


def ended(client: Client, id: str = "i") -> Any:
    """The output of an instance that ends soon."""
    document = client.wait(id, 60)
    assert document["status"] == "Completed", document
    return document["output"]


def given_ended(client: Client, id: str = "i") -> None:
    """An instance that has ended with 3."""
    client.start("sums", 1, id=id)
    client.raise_event(id, "Add", 2)
    assert ended(client, id) == 3


def test_a_running_instance_is_reused(client: Client) -> None:
    """It is returned as it is, whatever was asked to be started."""
    client.start("sums", 1, id="i")
    assert client.start("sums", 50, id="i", if_exists="reuse")["input"] == 1


def test_an_ended_instance_is_reused(client: Client) -> None:
    """With its output."""
    given_ended(client)
    assert client.start("sums", 50, id="i", if_exists="reuse")["output"] == 3


def test_an_ended_instance_is_replaced(client: Client) -> None:
    """Nothing of it is left; what is sent then is for the new one."""
    given_ended(client)
    again = client.start("sums", 50, id="i", if_exists="replace_ended")
    assert (again["input"], again["output"], again["ended_at"]) == (50, None, None)
    client.raise_event("i", "Add", 5)
    assert ended(client) == 55


def test_a_running_instance_is_not_replaced(client: Client) -> None:
    """Its id is in use."""
    client.start("sums", 1, id="i")
    with pytest.raises(Conflict):
        client.start("sums", 50, id="i", if_exists="replace_ended")


def test_a_repeated_replacement_replaces_once(client: Client) -> None:
    """Under its key it was carried out; another request under the key is refused."""
    given_ended(client)
    for _ in range(2):
        client.start("sums", 50, id="i", if_exists="replace_ended", request_key="k")
    client.raise_event("i", "Add", 5)
    assert ended(client) == 55
    assert client.start("sums", 50, id="i", if_exists="replace_ended", request_key="k")["output"] == 55
    with pytest.raises(Conflict) as refused:
        client.start("sums", 50, id="i", if_exists="reuse", request_key="k")
    assert refused.value.code == "idempotency_conflict"


def test_many_replacements_make_one_instance(client: Client) -> None:
    """Of those that come while the new one runs, all are refused."""
    given_ended(client)
    client.start("sums", 0, id="i", if_exists="replace_ended")
    for number in range(1, 4):
        with pytest.raises(Conflict):
            client.start("sums", number, id="i", if_exists="replace_ended")
    assert client.instance("i")["input"] == 0


def test_an_event_starts_an_instance(client: Client) -> None:
    """Which hears it."""
    client.start("sums", 1, id="i", if_exists="reuse", event="Add", payload=7)
    assert ended(client) == 8


def test_an_event_reaches_the_instance_that_is_there(client: Client) -> None:
    """And starts none."""
    client.start("sums", 100, id="i")
    client.start("sums", 1, id="i", if_exists="reuse", event="Add", payload=7)
    assert ended(client) == 107


def test_an_event_starts_an_instance_again(client: Client) -> None:
    """In the place of one that has ended, if that is wanted."""
    given_ended(client)
    with pytest.raises(Ended):
        client.start("sums", 1, id="i", if_exists="reuse", event="Add", payload=7)
    client.start("sums", 1, id="i", if_exists="replace_ended", event="Add", payload=7)
    assert ended(client) == 8


def test_a_repeated_event_is_heard_once(client: Client) -> None:
    """A key makes both of it repeatable, the start and the event."""
    for _ in range(3):
        client.start("sums", 1, id="i", if_exists="reuse", event="Add", payload=7, request_key="k")
    assert ended(client) == 8
    assert client.dead_letters()["items"] == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"if_exists": "replace"}, "invalid"),
        ({"start_at": "tomorrow"}, "invalid_time"),
        ({"start_at": "2030-01-01T00:00:00Z", "delay": 1.0}, "invalid"),
        ({"event": "Sub", "payload": 1}, "unknown_event"),
        ({"event": "Add", "payload": "1"}, "schema"),
    ],
)
def test_what_cannot_be_meant_is_refused(client: Client, more: dict[str, Any], code: str) -> None:
    """And starts nothing."""
    with pytest.raises(UserError) as refused:
        client.start("sums", 1, id="i", **more)
    assert refused.value.code == code
    assert client.instances()["items"] == []


def test_a_time_that_has_passed_is_now(client: Client) -> None:
    """The instance begins at once."""
    client.start("sums", 1, id="i", start_at="2001-01-01T00:00:00+01:00", event="Add", payload=1)
    assert ended(client) == 2


def test_a_start_may_be_for_later(client: Client) -> None:
    """Until then the instance is pending, and its id in use."""
    client.start("sums", 1, id="i", delay=3600)
    assert client.wait("i", 0.02)["status"] == "Pending"
    with pytest.raises(Conflict):
        client.start("sums", 1, id="i")


def test_what_is_to_begin_later_can_be_terminated_now(client: Client) -> None:
    """It ends without having begun, and can be replaced or purged; no start comes late."""
    client.start("sums", 1, id="i", delay=3600)
    client.terminate("i", "not needed")
    ended = client.wait("i", 60)
    assert (ended["status"], ended["reason"]) == ("Terminated", "not needed")
    assert [each["type"] for each in client.history("i")["items"]] == ["ExecutionTerminated"]
    assert client.purge("i")["rows"]["inbox"] == 1


# -- by content -----------------------------------------------------------------------------------

ORDERS = """
dsl: perdure/1
name: orders
version: 1.0.0
do:
- paid: { wait_for_event: Paid, correlate: "${ event.order == input.order }", timeout: never }
- more: { wait_for_event: Paid, correlate: "${ event.order == input.order }", timeout: never }
- return: ["${ paid.sum }", "${ more.sum }"]
"""


def test_an_event_that_nobody_waits_for_starts_who_waits_for_the_next(client: Client) -> None:
    """The first one is its input too; under a key it starts one instance."""
    program = compiled(ORDERS).program
    client.deploy([Deployment(name="orders", version="1.0.0", digest="e", program=program, source=ORDERS)])
    first = {"order": 7, "sum": 1}
    with pytest.raises(NotFound):
        client.publish("Paid", first)
    (started,) = client.publish("Paid", first, start="orders", request_key="k")
    while not client.waiting(started):
        client.wait(started, 0.01)
    assert client.publish("Paid", first, start="orders", request_key="k") == [started]
    assert client.publish("Paid", {"order": 7, "sum": 2}, start="orders") == [started]
    assert ended(client, started) == [1, 2]
    assert len(client.instances()["items"]) == 1


def test_only_who_hears_the_event_is_started_by_it(client: Client) -> None:
    """A workflow without such an event is a mistake."""
    with pytest.raises(UserError) as refused:
        client.publish("Paid", 1, start="sums")
    assert refused.value.code == "unknown_event"
    assert client.instances()["items"] == []


# -- in virtual time -------------------------------------------------------------------------------


def later(hub: Hub, seconds: int, text: str = "do: [{ return: '${ input }' }]") -> None:
    """A start that is due in so many seconds."""
    program = compiled(text)
    instance, event = hub._new(program, 7, "i")
    due = hub.clock.now + seconds * SECOND
    message = hub._message("i", event)
    message = msgspec.structs.replace(message, due=due, execution=instance.execution)
    hub.store.start(instance, PayloadRow(instance="i", key="input", value="7"), message, None)


def test_it_begins_when_it_is_due(hub: Hub) -> None:
    """Not a moment before, and through a crash."""
    later(hub, 100)
    hub.advance(99.9)
    hub.crash()
    assert hub.status() == "Pending"
    hub.advance(0.1)
    assert hub.output() == 7


def test_events_wait_for_its_begin(hub: Hub) -> None:
    """What comes before it is due is heard then."""
    later(hub, 100, "do: [{ said: { wait_for_event: Go, timeout: never } }, { return: '${ said }' }]")
    hub.raise_event("Go", "early")
    hub.run()
    assert hub.status() == "Pending"
    hub.advance(100)
    assert hub.output() == "early"


def test_terminated_before_it_is_due_it_never_begins(hub: Hub) -> None:
    """Its start finds nobody, and is no dead letter."""
    later(hub, 100)
    hub.terminate("no")
    hub.run()
    assert hub.status() == "Terminated"
    hub.crash()
    hub.advance(200)
    assert hub.kinds() == ["ExecutionTerminated"]
    assert (hub.store.dead_letters(), hub.store.inbox(hub.slots, 9)) == ([], [])


def test_canceled_before_it_is_due_it_never_begins(hub: Hub) -> None:
    """It ends at once, with the reason: there is nothing to clean up."""
    later(hub, 100)
    hub.cancel("no")
    hub.run()
    assert (hub.status(), hub.instance().reason, hub.error()["message"]) == ("Canceled", "no", "canceled: no")
    hub.crash()
    hub.advance(200)
    assert hub.kinds() == ["ExecutionCanceled", "ExecutionCompleted"]
    assert (hub.store.dead_letters(), hub.store.inbox(hub.slots, 9)) == ([], [])


@pytest.mark.parametrize("lost", [False, True])
def test_what_is_left_for_the_one_before_does_not_hide_the_next_start(hub: Hub, lost: bool) -> None:
    """Though more came for it than it heard, and it was in memory when it was replaced."""
    hub.start("do: [{ said: { wait_for_event: Go, timeout: never } }]")
    hub.run()
    for number in range(MAX_BUFFER + 9):
        hub.raise_event("Go", number)
    hub.round()
    assert hub.status() == "Completed"
    program = compiled("do: [{ return: '${ input }' }]")
    instance, event = hub._new(program, 9, "i")
    payload = PayloadRow(instance="i", key="input", value="9")
    hub.store.start(instance, payload, hub._message("i", event), None, if_exists="replace_ended")
    if lost:
        hub.crash()
    hub.run()
    assert hub.output() == 9
