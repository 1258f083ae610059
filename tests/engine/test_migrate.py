"""A running instance goes on with another version of its workflow."""

from __future__ import annotations

import pytest

from perdure.engine.client import Client, Deployment
from perdure.engine.errors import Conflict, Ended, NotFound
from perdure.engine.events import ExecutionMigrated
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from tests.engine.driver import Hub, compiled
from tests.engine.functions import flaky, offer
from tests.engine.test_refused import refusing

HEAD = "dsl: perdure/1\nname: pay\nversion: %s\n"
OLD = """
do:
  - first: { call: Echo, with: 1 }
  - go: { wait_for_event: Go, timeout: 1h }
  - return: ${ workflow.version + ' old' }
"""
NEW = OLD.replace(
    "- return: ${ workflow.version + ' old' }",
    "- then: { call: Echo, with: 2 }\n  - return: ${ workflow.version + ' new' }",
)
LONGER = OLD.replace("- return", "- then: { call: Echo, with: 2 }\n  - more: { wait: 1h }\n  - return")
OTHER = OLD.replace("with: 1", "with: 3")


def deploy(hub: Hub, version: str, text: str) -> str:
    """Deploy a version; its Program's digest."""
    source = HEAD % version + text
    program = compiled(source).program
    entry = Deployment(name="pay", version=version, digest=source, program=program, source=source)
    return str(Client(hub.store).deploy([entry])[0]["program_digest"])


@pytest.fixture
def client(hub: Hub) -> Client:
    """A client of a hub where an instance of the first version waits for an event."""
    offer(hub)
    deploy(hub, "1.0.0", OLD)
    client = Client(hub.store)
    client.start("pay", id="i")
    hub.run()
    return client


@pytest.mark.parametrize("crash", [False, True])
def test_an_instance_moves_to_a_version_that_replays_its_history(
    hub: Hub, client: Client, crash: bool
) -> None:
    """It goes on there, and its history, row and audit say so."""
    digest = deploy(hub, "1.1.0", NEW)
    assert client.acting("ada").migrate("i", "1.1.0", "a fix")["changed"] is True
    if crash:
        hub.crash()
    hub.run()
    row = client.instance("i")
    assert (row["version"], row["digest"], row["status"]) == ("1.1.0", digest, "Running")
    hub.crash()
    hub.raise_event("Go")
    hub.run()
    assert hub.output() == "1.1.0 new"
    assert [task.input for task in hub.calls] == [1, 2]
    moved = [each for each in hub.events() if isinstance(each, ExecutionMigrated)]
    assert moved == [ExecutionMigrated(version="1.1.0", digest=digest, reason="a fix")]
    told = client.audit(action="instance.migrate")["items"][0]
    assert (told["actor"], told["details"]) == ("ada", {"reason": "a fix", "from": "1.0.0", "to": "1.1.0"})


def test_a_version_that_decides_otherwise_is_refused(hub: Hub, client: Client) -> None:
    """With the first difference; a dry run says the same of either, and changes nothing."""
    deploy(hub, "1.1.0", OTHER)
    deploy(hub, "1.2.0", NEW)
    for dry_run in (True, False):
        with pytest.raises(
            Conflict, match=r"cannot go on with pay@1\.1\.0: non_determinism: event 1"
        ) as caught:
            client.migrate("i", "1.1.0", dry_run=dry_run)
        assert caught.value.code == "not_migratable"
    assert client.migrate("i", "1.2.0", dry_run=True) == {"id": "i", "changed": False, "version": "1.2.0"}
    hub.run()
    assert hub.instance().version == "1.0.0"


def test_what_has_happened_meanwhile_counts(hub: Hub, client: Client) -> None:
    """The owner looks again: an order that does not hold any more goes nowhere, and the instance goes on."""
    deploy(
        hub,
        "1.1.0",
        OLD.replace("- return", "- then: { call: Echo, with: 2 }\n  - more: { wait: 1h }\n  - return"),
    )
    deploy(hub, "1.2.0", OLD.replace("- return", "- then: { call: Echo, with: 3 }\n  - return"))
    client.migrate("i", "1.1.0")
    hub.run()
    client.migrate("i", "1.2.0")
    hub.raise_event("Go")
    message = hub.store.inbox(hub.slots, 10)
    assert [each.kind for each in message] == ["ExecutionMigrated", "EventRaised"]
    hub.owner.accept(reversed(message))
    hub.run()
    hub.advance(3600)
    assert hub.status() == "Completed"


def test_an_order_that_came_too_late_is_a_dead_letter(hub: Hub, client: Client) -> None:
    """The history has grown by what the new version would not have decided."""
    deploy(
        hub,
        "1.1.0",
        OLD.replace("- return", "- then: { call: Echo, with: 2 }\n  - more: { wait: 1h }\n  - return"),
    )
    other = deploy(hub, "1.2.0", OLD.replace("- return", "- then: { call: Echo, with: 3 }\n  - return"))
    client.migrate("i", "1.1.0")
    hub.raise_event("Go")
    hub.run()
    hub.send(ExecutionMigrated(version="1.2.0", digest=other))
    hub.run()
    assert hub.instance().version == "1.1.0"
    assert [each["kind"] for each in client.dead_letters("i")["items"]] == ["ExecutionMigrated"]
    hub.advance(3600)
    assert hub.output() == "1.1.0 old"


def test_a_parked_instance_moves_to_what_can_replay_it(hub: Hub, client: Client) -> None:
    """It goes on at once: what it was parked for is over."""
    digest = deploy(hub, "1.1.0", NEW)
    programs = hub.store._programs  # type: ignore[attr-defined]
    present = hub.instance().digest
    text, programs[present] = programs[present], programs[deploy(hub, "1.2.0", OTHER)]
    hub.programs = Programs(hub.store.program)
    hub.crash()
    hub.raise_event("Go")
    hub.run()
    assert hub.status() == "Suspended"
    Client(hub.store).migrate("i", "1.1.0")
    hub.run()
    assert (hub.output(), hub.instance().digest) == ("1.1.0 new", digest)
    programs[present] = text


def test_a_suspended_instance_stays_suspended(hub: Hub, client: Client) -> None:
    """It moves, and goes on when it is resumed."""
    deploy(hub, "1.1.0", NEW)
    hub.suspend()
    hub.raise_event("Go")
    hub.run()
    client.migrate("i", "1.1.0")
    hub.run()
    assert (hub.status(), hub.instance().version, hub.instance().reason) == ("Suspended", "1.1.0", "test")
    hub.resume()
    hub.run()
    assert hub.output() == "1.1.0 new"


def test_subscriptions_move_along(hub: Hub) -> None:
    """They name the new Program's instruction."""
    text = """
do:
  - paid: { wait_for_event: Paid, correlate: "${ event.order == 1 }", timeout: 1h }
  - return: ${ workflow.version }
"""
    deploy(hub, "1.0.0", text)
    client = Client(hub.store)
    client.start("pay", id="i")
    hub.run()
    digest = deploy(hub, "1.1.0", text.replace("- return", "- set_custom_status: moved\n  - return"))
    client.migrate("i", "1.1.0")
    hub.run()
    assert isinstance(hub.store, MemoryStore)
    assert [row.digest for row in hub.store._subscriptions.values()] == [digest]
    assert client.publish("Paid", {"order": 1}) == ["i"]
    hub.run()
    assert hub.output() == "1.1.0"


def test_what_cannot_be_moved(hub: Hub, client: Client) -> None:
    """To a version that is not there, or retired, or runs already; one that has ended, or not begun."""
    deploy(hub, "1.1.0", NEW)
    with pytest.raises(NotFound):
        client.migrate("i", "9.0.0")
    assert client.migrate("i", "1.0.0") == {"id": "i", "changed": False, "version": "1.0.0"}
    client.start("pay@1.0.0", id="j")
    with pytest.raises(Conflict, match="has not begun"):
        client.migrate("j", "1.1.0")
    client.retire("pay", "1.1.0")
    with pytest.raises(Conflict, match="is retired"):
        client.migrate("i", "1.1.0")
    hub.terminate()
    hub.run()
    with pytest.raises(Ended):
        client.migrate("i", "1.0.0")


def test_what_has_moved_can_be_rewound(hub: Hub, client: Client) -> None:
    """The move is a part of its history, and is told again with it."""
    digest = deploy(hub, "1.1.0", NEW.replace("call: Echo, with: 2", "call: Flaky"))
    hub.activity("Flaky", flaky(1))
    client.migrate("i", "1.1.0")
    hub.raise_event("Go")
    hub.run()
    assert hub.status() == "Failed"
    client.rewind("i")
    hub.crash()
    hub.run()
    assert (hub.output(), hub.instance().digest) == ("1.1.0 new", digest)


def test_what_has_not_begun_cannot_be_moved(hub: Hub, client: Client) -> None:
    """The order is a dead letter, and the instance begins with what it was started with."""
    digest = deploy(hub, "1.1.0", NEW)
    client.start("pay@1.0.0", id="later", delay=3600)
    hub.run()
    hub.crash()
    hub.send(ExecutionMigrated(version="1.1.0", digest=digest), id="later")
    hub.run()
    (letter,) = hub.store.dead_letters()
    assert (letter.kind, hub.instance("later").version) == ("ExecutionMigrated", "1.0.0")
    hub.advance(3600)
    assert hub.status("later") == "Running"


def test_a_move_that_the_database_refuses_is_given_up(hub: Hub, client: Client) -> None:
    """The instance is parked as it was and says why; resumed, it goes on with what it had."""
    deploy(hub, "1.1.0", NEW)
    client.migrate("i", "1.1.0")
    with refusing(hub, lambda batch: any(each.history for each in batch.checkpoints)):
        hub.run()
    assert (hub.status(), hub.instance().version) == ("Suspended", "1.0.0")
    assert (hub.instance().reason or "").startswith("refused")
    hub.resume()
    hub.raise_event("Go")
    hub.run()
    assert hub.output() == "1.0.0 old"


@pytest.mark.parametrize("here", [True, False])
def test_an_order_that_comes_with_the_start_moves_nothing(hub: Hub, client: Client, here: bool) -> None:
    """Whoever gives it may try again: the instance has begun now."""
    digest = deploy(hub, "1.1.0", NEW)
    order = ExecutionMigrated(version="1.1.0", digest=digest)
    text = HEAD % "1.0.0" + OLD
    if here:
        hub.begin(text, id="new")
        hub.say(order, id="new")
        hub.run()
        assert [reason for _, reason in hub.refusals] == ["it has just begun: try again"]
    else:
        hub.start(text, id="new")
        hub.send(order, id="new")
        hub.run()
        assert [letter.kind for letter in hub.store.dead_letters("new")] == ["ExecutionMigrated"]
    assert (hub.status("new"), hub.instance("new").version) == ("Running", "1.0.0")


def test_an_order_to_move_to_what_cannot_be_read_is_a_dead_letter(hub: Hub, client: Client) -> None:
    """The instance goes on with what it has."""
    hub.send(ExecutionMigrated(version="9.9.9", digest="nobody has it"))
    hub.run()
    (letter,) = hub.store.dead_letters("i")
    assert letter.kind == "ExecutionMigrated"
    hub.raise_event("Go")
    hub.run()
    assert hub.output() == "1.0.0 old"
