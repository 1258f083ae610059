"""What cannot be read, or taken by a fault of ours, stops nobody else, and who asked for it is told."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from perdure.engine.client import Client
from perdure.engine.events import (
    Asker,
    DeleteRequested,
    ExecutionForked,
    ExecutionRestarted,
    ExecutionRewound,
    OperationRequested,
)
from perdure.engine.instance import Status
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from perdure.engine.suspects import why_parked
from tests.engine.driver import Hub, compiled
from tests.engine.functions import offer
from tests.engine.messages import DESK, WAITS, Shop

WORKING = "do: [ { work: { call: Echo, with: 1 } }, { go: { wait_for_event: Go, timeout: never } } ]"


def tables(hub: Hub) -> Any:
    """The tables, for what only a fault or another hand could do to them."""
    return cast("MemoryStore", hub.store)


def spoil(hub: Hub, id: str = "i") -> None:
    """Let the first turn of a history be no text that anybody can read."""
    rows = tables(hub)._history[id, 1]
    rows[0] = msgspec.structs.replace(rows[0], events='[{"type": "FromTheFuture"}]')


def works(hub: Hub) -> bool:
    """Whether another instance is done."""
    hub.start("do: [ return: 1 ]", id="other")
    hub.run()
    return hub.status("other") == "Completed"


# -- instances -------------------------------------------------------------------------------------


def test_an_instance_whose_history_cannot_be_read_is_parked_and_can_be_terminated() -> None:
    """Also when a dead owner has left tasks of it open: nobody knows which."""
    hub = Hub()
    offer(hub)
    hub.manual = True
    hub.start(WORKING)
    hub.run()
    spoil(hub)
    hub.crash()
    hub.raise_event("Go")
    assert works(hub)
    assert hub.status() == "Suspended"
    hub.terminate()
    hub.run()
    assert hub.status() == "Terminated"
    assert [each.reason for each in hub.store.dead_letters()] == ["ended"]


def test_an_order_to_begin_again_that_a_history_does_not_allow_is_told() -> None:
    """The instance stays as it is."""
    hub = Hub()
    hub.start("do: [ return: 1 ]")
    hub.run()
    spoil(hub)
    row = hub.instance()
    asked = hub.reopen(ExecutionRestarted(version=row.version, digest=row.digest, input=None))
    assert works(hub)
    assert hub.status() == "Completed"
    ((told, reason),) = hub.refusals
    assert told == asked
    assert reason.startswith("internal: ")


def test_a_fork_that_cannot_begin_is_told_to_who_starts_it(hub: Hub) -> None:
    """There is no row to park, and the id is free afterwards."""
    program = compiled(WORKING)
    instance, started = hub._new(program, None, "i")
    event = ExecutionForked(source="gone", step="work", turns=((1, "["),))
    message = hub._message("i", event)
    assert hub.owner.start(instance, program, message, event, None)
    assert not hub.owner.start(instance, program, hub._message("i", started), started, None)
    assert works(hub)
    ((told, reason),) = hub.refusals
    assert told == message.id
    assert reason.startswith("internal: ")
    assert hub.store.instance("i") is None


@pytest.mark.parametrize("resumed", [False, True])
def test_an_instance_that_was_parked_as_poison_is_not_even_read_before_it_is_resumed(resumed: bool) -> None:
    """What comes for it meanwhile is kept, and heard afterwards."""
    hub = Hub()
    hub.start(compiled(WAITS))
    hub.run()
    rows = tables(hub)._instances
    rows["i"] = msgspec.structs.replace(rows["i"], status=Status.SUSPENDED, reason=why_parked(5))
    hub.crash()
    hub.raise_event("Go", 7)
    if resumed:
        hub.resume()
    assert works(hub)
    assert hub.status() == ("Completed" if resumed else "Suspended")


def test_a_rewind_of_a_history_that_cannot_be_read_is_told() -> None:
    """The instance stays as it is."""
    hub = Hub()
    offer(hub)
    hub.start("do: [ { bad: { call: Fail, with: 1 } } ]")
    hub.run()
    spoil(hub)
    asked = hub.reopen(ExecutionRewound())
    assert works(hub)
    ((told, reason),) = hub.refusals
    assert (told, "its history cannot be read" in reason, hub.status()) == (asked, True, "Failed")


def test_one_whose_first_message_cannot_be_read_can_be_terminated(hub: Hub) -> None:
    """It has not begun, and never will."""
    hub.deploy(WORKING)
    Client(hub.store).start("flow@1.0.0", id="i", delay=3600)
    inbox = tables(hub)._inbox
    ((key, (order, row)),) = inbox.items()
    inbox[key] = (order, msgspec.structs.replace(row, event="{"))
    hub.terminate()
    hub.run()
    assert hub.status() == "Terminated"
    hub.advance(3600)
    assert hub.leftovers() == []


# -- entities --------------------------------------------------------------------------------------


@pytest.fixture
def desk(hub: Hub) -> Hub:
    """A hub with an entity whose state is no text that anybody can read, and one that is well."""
    hub.entity(DESK)
    for key in "ab":
        hub.post(f"Desk@{key}", OperationRequested(operation="act"))
    hub.run()
    rows = tables(hub)._entities
    rows["@Desk@a"] = msgspec.structs.replace(rows["@Desk@a"], state="{")
    hub.crash()
    return hub


def test_a_message_to_an_entity_that_cannot_be_read_is_a_dead_letter(desk: Hub) -> None:
    """The entities beside it go on."""
    for key in "ab":
        desk.post(f"Desk@{key}", OperationRequested(operation="act"))
    desk.post("Desk@a", DeleteRequested())
    desk.run()
    assert desk.state("Desk@b") == 2
    reasons = {each.instance: each.reason for each in desk.store.dead_letters()}
    assert list(reasons) == ["@Desk@a"]
    assert reasons["@Desk@a"].startswith("internal: ")
    assert len(desk.store.dead_letters()) == 2


def test_who_calls_an_entity_that_cannot_be_read_is_told(desk: Hub) -> None:
    """A workflow catches it, and a client of this process is refused."""
    text = "do: [ { a: { call_entity: Desk@a, op: act } } ]"
    desk.start(text)
    told = desk.tell("Desk@a", OperationRequested(operation="act"))
    desk.run()
    assert desk.error()["type"] == "perdure.EntityOperationFailed"
    ((refused, reason),) = desk.refusals
    assert refused == told
    assert reason.startswith("internal: ")


def test_the_answer_of_a_worker_to_an_entity_that_cannot_be_read_goes_nowhere(hub: Hub) -> None:
    """Who waits for the operation is told all the same."""
    hub.registry.add_entity(Shop)
    hub.manual = True
    hub.start("do: [ { a: { call_entity: Shop@a, op: act } } ]")
    hub.run()
    (row,) = hub.claim()
    rows = tables(hub)._entities
    rows["@Shop@a"] = msgspec.structs.replace(rows["@Shop@a"], state="{")
    hub.rejoin()
    hub._start([hub._work(row)])
    hub.carry_out(hub.operations[-1])
    hub.run()
    assert hub.error()["type"] == "perdure.EntityOperationFailed"
    assert hub.store.dead_letters() == []


def test_an_entity_whose_program_cannot_be_run_here_waits(hub: Hub) -> None:
    """For a process that can; its messages stay in the inbox."""
    entity = hub.entity(DESK)
    programs = tables(hub)._programs
    ((digest, text),) = programs.items()
    programs[digest] = text.replace('"ir":', '"ir":9', 1)
    assert entity is not None
    hub.post("Desk@a", OperationRequested(operation="act"))
    assert works(hub)
    assert hub.row("Desk@a") is None
    programs[digest] = text
    hub.programs = Programs(hub.store.program)
    hub.run()
    assert hub.state("Desk@a") == 1


def test_messages_to_an_entity_of_this_process_are_asked_again_when_it_joins_again(hub: Hub) -> None:
    """Nothing of them is in the database, so nobody else would hear of them."""
    hub.entity(DESK)
    told = hub.tell("Nobody@a", OperationRequested(operation="act", asker=Asker("x", "y", 1)))
    _, unanswered = hub.owner.reset()
    assert unanswered == [told]
