"""Entities of YAML: operations one after the other, each once, from clients, instances and other entities."""

from __future__ import annotations

import msgspec
import pytest

from perdure.engine.events import (
    DeleteRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EventRaised,
    OperationRequested,
)
from perdure.engine.store.rows import EntityQuery, InstanceQuery
from perdure.engine.waiting import waiting_for
from tests.engine.driver import SECOND, Hub

COUNTER = """
name: Counter
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }", return: "${ state + input }" }
  get: { readonly: true, return: "${ state }" }
  fail: { require: [ { check: "${ state < 0 }", error: Never, message: "it is ${ state }" } ] }
  tell: { input: { type: string }, signal: [ { entity: "Counter@${ input }", op: add, with: 1 } ] }
  run: { start_workflow: [ { workflow: echo, with: { of: "${ key }", at: "${ state }" } } ] }
  close: { delete: true, return: "${ state }" }
"""


@pytest.fixture(autouse=True)
def counter(hub: Hub) -> None:
    """Counters are deployed."""
    hub.entity(COUNTER)


def add(amount: int = 1) -> OperationRequested:
    """A signal."""
    return OperationRequested(operation="add", input=amount)


def test_a_client_calls_and_is_answered(hub: Hub) -> None:
    """With what the operation returns, or its typed error; the state is kept between."""
    assert hub.operate("Counter@a", "add", 2) == 2
    assert hub.operate("Counter@a", "add", 3) == 5
    assert hub.operate("Counter@a", "get") == 5
    assert hub.operate("Counter@b", "get") == 0
    assert hub.operate("Counter@a", "fail") == ["Never", "it is 5"]
    assert hub.operate("Counter@a", "add", "x")[0] == "perdure.Schema"
    assert hub.operate("Counter@a", "none")[0] == "perdure.EntityOperationFailed"
    assert hub.state("Counter@a") == 5


def test_many_operations_are_one_write(hub: Hub) -> None:
    """All that has come by the time of a turn is one new version of the row."""
    ids = [hub.tell("Counter@a", add()) for _ in range(100)]
    hub.run()
    assert hub.state("Counter@a") == 100
    row = hub.row("Counter@a")
    assert row is not None
    assert row.version == 1
    assert hub.commits == 1
    assert hub.answered == ids


@pytest.mark.parametrize("rounds", range(4))
def test_each_signal_counts_once_whenever_its_owner_dies(hub: Hub, rounds: int) -> None:
    """Messages in the inbox are there until the commit that counts them, and no longer."""
    for _ in range(5):
        hub.post("Counter@a", add())
    for _ in range(rounds):
        hub.round()
    hub.crash()
    for _ in range(5):
        hub.post("Counter@a", add())
    hub.run()
    assert hub.state("Counter@a") == 10
    assert hub.leftovers("@Counter@a") == []


def test_a_workflow_calls_an_entity_and_gets_its_answer(hub: Hub) -> None:
    """The call is a decision of the history, its answer an event."""
    hub.start(
        """
        do:
          - one: { call_entity: "Counter@${ input }", op: add, with: 4 }
          - two: { call_entity: "Counter@${ input }", op: add, with: 5 }
          - return: [ "${ one }", "${ two }" ]
        """,
        "a",
    )
    hub.run()
    assert hub.output() == [4, 9]
    called, completed = hub.events()[1:3]
    assert called == EntityOperationCalled(entity="Counter@a", operation="add", path="do/0/one", input=4)
    assert completed == EntityOperationCompleted(scheduled_seq=1, result=4)


@pytest.mark.parametrize("rounds", range(7))
def test_a_call_is_carried_out_once_whenever_a_process_dies(hub: Hub, rounds: int) -> None:
    """Question and answer are messages of the commits of their senders."""
    hub.start(
        """
        do:
          - one: { call_entity: Counter@a, op: add, with: 4 }
          - two: { call_entity: Counter@a, op: add, with: 5 }
          - return: [ "${ one }", "${ two }" ]
        """
    )
    for _ in range(rounds):
        hub.round()
    hub.crash()
    hub.run()
    assert hub.output() == [4, 9]
    assert hub.state("Counter@a") == 9


def test_a_workflow_catches_the_error_of_an_operation(hub: Hub) -> None:
    """By the name that the guard gives it."""
    hub.start(
        """
        do:
          - tried:
              try: [ one: { call_entity: Counter@a, op: fail } ]
              catch: [ { errors: [Never], do: [ output: "${ error.message }" ] } ]
          - return: ${ tried }
        """
    )
    hub.run()
    assert hub.output() == "it is 0"


def test_a_call_can_take_too_long(hub: Hub) -> None:
    """The step fails; the operation is carried out all the same, and its answer goes nowhere."""
    hub.start("do: [ one: { call_entity: Nobody@a, op: add, with: 1, timeout: 5s } ]")
    hub.advance(5)
    assert hub.error()["type"] == "perdure.Timeout"
    hub.entity(COUNTER.replace("name: Counter", "name: Nobody"))
    hub.run()
    assert hub.state("Nobody@a") == 1
    assert hub.leftovers() == hub.store.dead_letters() == []


def test_a_signal_waits_for_nobody(hub: Hub) -> None:
    """Also when it fails: only the log is told."""
    hub.start(
        """
        do:
          - signal_entity: { entity: Counter@a, op: add, with: 1 }
          - signal_entity: { entity: Counter@a, op: fail }
          - return: done
        """
    )
    hub.run()
    assert hub.output() == "done"
    assert hub.state("Counter@a") == 1
    assert hub.notes == ["Counter@a: the signal 'fail' failed: Never: it is 1"]


def test_a_signal_comes_at_its_time(hub: Hub) -> None:
    """Not before, though the instance has ended and its owner died."""
    hub.start(
        "do: [ signal_entity: { entity: Counter@a, op: add, with: 1, at: \"${ now() + duration('1h') }\" } ]"
    )
    hub.run()
    assert hub.status() == "Completed"
    hub.advance(3599)
    hub.crash()
    hub.run()
    assert hub.state("Counter@a") is None
    hub.clock.now += SECOND
    hub.run()
    assert hub.state("Counter@a") == 1


def test_entities_signal_each_other(hub: Hub) -> None:
    """In the commit of the operation that asks for it."""
    hub.operate("Counter@a", "tell", "b")
    hub.run()
    assert hub.state("Counter@b") == 1
    assert hub.state("Counter@a") is None


def test_an_entity_starts_a_workflow(hub: Hub) -> None:
    """Once, and with what the operation gives it."""
    hub.deploy("dsl: perdure/1\nname: echo\nversion: 1.0.0\ndo: [ return: '${ input }' ]")
    hub.operate("Counter@a", "add", 7)
    hub.operate("Counter@a", "run")
    hub.run()
    (id_,) = [each.id for each in hub.store.instances(InstanceQuery())]
    assert hub.output(id_) == {"of": "a", "at": 7}


def test_an_entity_that_is_as_it_began_is_not_kept(hub: Hub) -> None:
    """Its row goes with the commit that makes it so; the next one begins anew."""
    hub.operate("Counter@a", "add", 5)
    first = hub.row("Counter@a")
    hub.operate("Counter@a", "add", -5)
    assert hub.row("Counter@a") is None
    hub.operate("Counter@a", "add", 1)
    second = hub.row("Counter@a")
    assert first is not None
    assert second is not None
    assert first.incarnation != second.incarnation
    assert second.version == 1


def test_an_operation_deletes(hub: Hub) -> None:
    """It returns what it wants to; those behind it find the initial state."""
    hub.operate("Counter@a", "add", 5)
    hub.tell("Counter@a", add(2))
    assert hub.operate("Counter@a", "close") == 7
    assert hub.row("Counter@a") is None
    assert hub.operate("Counter@a", "get") == 0


def test_an_entity_is_deleted(hub: Hub) -> None:
    """Whatever its operations are; one that is not there as well."""
    hub.operate("Counter@a", "add", 5)
    ids = [hub.tell("Counter@a", DeleteRequested()), hub.tell("Counter@b", DeleteRequested())]
    hub.run()
    assert hub.answered[-2:] == ids
    assert hub.store.entities(EntityQuery()) == []


def test_a_new_version_is_what_runs_next(hub: Hub) -> None:
    """With the state that is there."""
    hub.operate("Counter@a", "add", 5)
    text = COUNTER.replace("${ state + input }", "${ state + 10 * input }", 1)
    hub.entity(
        "dsl: perdure/1\nkind: entity\nversion: 2.0.0\n" + msgspec.json.decode(msgspec.json.encode(text))
    )
    assert hub.operate("Counter@a", "add", 1) == 6
    assert hub.state("Counter@a") == 15


def test_an_unknown_type_waits_until_it_is_deployed(hub: Hub) -> None:
    """What it was told before is carried out then."""
    hub.post("Later@a", add(3))
    hub.run()
    assert hub.row("Later@a") is None
    hub.entity(COUNTER.replace("name: Counter", "name: Later"))
    hub.run()
    assert hub.state("Later@a") == 3


def test_a_message_that_no_entity_understands_is_a_dead_letter(hub: Hub) -> None:
    """And holds up nobody."""
    message = msgspec.structs.replace(hub._message("@Counter@a", EventRaised(name="go")), id="bad")
    hub.store.post(message, None)
    hub.post("Counter@a", add())
    hub.run()
    assert [letter.id for letter in hub.store.dead_letters()] == ["bad"]
    assert hub.state("Counter@a") == 1


def test_a_rewind_does_not_ask_an_entity_again(hub: Hub) -> None:
    """What it has answered stays done; what failed at it is tried anew."""
    hub.start(
        """
        do:
          - one: { call_entity: Counter@a, op: add, with: 4 }
          - signal_entity: { entity: Counter@b, op: add, with: 1 }
          - two: { call_entity: Counter@a, op: fail }
        """
    )
    hub.run()
    assert hub.error()["type"] == "Never"
    hub.rewind()
    hub.run()
    assert hub.error()["type"] == "Never"
    assert hub.state("Counter@a") == 4
    assert hub.state("Counter@b") == 1


def test_what_waits_for_an_entity_is_explained(hub: Hub) -> None:
    """Its name, with the place in the file."""
    hub.start("do: [ { one: { call_entity: Nobody@a, op: add, with: 1 } } ]")
    hub.run()
    (found,) = waiting_for(hub.store, hub.instance(), hub.programs)
    assert (found["kind"], found["name"], found["step"]) == ("entity", "Nobody@a", "one")
