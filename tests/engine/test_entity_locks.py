"""Locks: who holds an entity is alone with it, and gives it back however the block is left."""

from __future__ import annotations

import pytest

from perdure.engine.events import (
    DeleteRequested,
    EntityLockRequested,
    ExecutionCanceled,
    OperationRequested,
    StepResolved,
)
from perdure.engine.programs import Programs
from perdure.engine.waiting import waiting_for
from tests.engine.driver import Hub

ACCOUNT = """
name: Account
state: { schema: { type: object, properties: { balance: { type: integer } } }, initial: { balance: 0 } }
operations:
  get: { readonly: true, return: "${ state.balance }" }
  add:
    input: { type: integer }
    set: { balance: "${ state.balance + input }" }
    return: "${ state.balance + input }"
"""
HOLDING = """
do:
  - moved:
      lock_entities: [ "Account@${ input.to }", "Account@${ input.from }" ]
      do:
        - before: { call_entity: "Account@${ input.from }", op: get }
        - go: { wait_for_event: Go, timeout: never }
        - taken: { call_entity: "Account@${ input.from }", op: add, with: -1 }
        - given: { call_entity: "Account@${ input.to }", op: add, with: 1 }
        - output: [ "${ before }", "${ taken }", "${ given }" ]
  - return: ${ moved }
"""
FAILING = """
do:
  - all:
      do:
        - moved:
            lock_entities: [ Account@a, Account@b ]
            do:
              - go: { wait_for_event: Go, timeout: never }
              - checked: { call_entity: Account@a, op: none }
      timeout: 10s
"""
LIMITED = """
do:
  - tried:
      try:
        - moved:
            lock_entities: [ Account@a, Account@b ]
            timeout: 30s
            do: [ held: { value: 1 } ]
        - output: done
      catch: [ { errors: [perdure.Timeout], do: [ output: "${ error.message }" ] } ]
  - return: ${ tried }
"""
TWO = {"from": "a", "to": "b"}


@pytest.fixture(autouse=True)
def account(hub: Hub) -> None:
    """Accounts are deployed."""
    hub.entity(ACCOUNT)


def free(hub: Hub, *keys: str) -> bool:
    """Whether nobody holds these accounts."""
    rows = [hub.row(f"Account@{key}") for key in keys]
    return all(row is None or row.lock is None for row in rows)


def test_entities_are_asked_in_the_order_of_their_ids(hub: Hub) -> None:
    """One after the other, each once; then the block runs, and gives them back."""
    hub.start(HOLDING, TWO)
    hub.run()
    assert hub.kinds()[1:5] == [
        "EntityLockRequested",
        "EntityLockGranted",
        "EntityLockRequested",
        "EntityLockGranted",
    ]
    asked = [event.entity for event in hub.events() if isinstance(event, EntityLockRequested)]
    assert asked == ["Account@a", "Account@b"]
    assert not free(hub, "a")
    assert not free(hub, "b")
    hub.raise_event("Go")
    hub.run()
    assert hub.output() == [0, -1, 1]
    assert hub.kinds()[-3:] == ["EntityUnlockSent", "EntityUnlockSent", "ExecutionCompleted"]
    assert free(hub, "a", "b")


def test_others_wait_in_order_while_it_is_held(hub: Hub) -> None:
    """Clients, signals, workflows, and whoever wants the lock next."""
    hub.start(HOLDING, TWO)
    hub.run()
    hub.post("Account@a", OperationRequested(operation="add", input=100))
    hub.start(HOLDING, TWO, id="second")
    hub.start("do: [ { got: { call_entity: Account@a, op: get } }, { return: '${ got }' } ]", id="reader")
    hub.run()
    assert hub.state("Account@a") is None
    hub.raise_event("Go")
    hub.run()
    assert hub.output() == [0, -1, 1]
    assert hub.state("Account@a") == {"balance": 99}
    assert hub.status("reader") == "Running"
    hub.raise_event("Go", id="second")
    hub.run()
    assert hub.output("second") == [99, 98, 2]
    assert hub.output("reader") == 98
    assert free(hub, "a", "b")


@pytest.mark.parametrize("rounds", range(12))
def test_a_lock_is_held_once_and_given_back_whenever_a_process_dies(hub: Hub, rounds: int) -> None:
    """Every step of it is a message in the commit of its cause."""
    hub.start(HOLDING, TWO)
    hub.start(HOLDING, {"from": "b", "to": "a"}, id="back")
    for id_ in ("i", "back"):
        hub.raise_event("Go", id=id_)
    for _ in range(rounds):
        hub.round()
    hub.crash()
    hub.run()
    assert sorted([hub.output("i")[0], hub.output("back")[0]]) in ([0, 0], [-1, 0], [0, 1])
    assert hub.state("Account@a") is hub.state("Account@b") is None
    assert hub.row("Account@a") is hub.row("Account@b") is None


@pytest.mark.parametrize("how", ["error", "cancel", "terminate", "timeout", "parked"])
@pytest.mark.parametrize("moment", ["held", "asked"])
def test_a_lock_is_given_back_however_its_holder_ends(hub: Hub, how: str, moment: str) -> None:
    """Also one that is asked for and not held yet; who waits for it goes on."""
    if moment == "asked":
        hub.start(HOLDING, {"from": "b", "to": "b"}, id="first")
        hub.run()
    hub.start(FAILING)
    hub.run()
    assert hub.status() == "Running"
    assert not free(hub, "a")
    end(hub, how)
    hub.programs = Programs(hub.store.program)
    if moment == "asked":
        if hub.status("first") == "Running":
            hub.raise_event("Go", id="first")
        hub.run()
        assert hub.output("first") == [0, -1, 0]
    assert hub.status() in {"Failed", "Canceled", "Terminated"}
    assert free(hub, "a", "b")
    assert hub.operate("Account@a", "add", 1) == 1
    assert hub.operate("Account@b", "add", 1) == 1


def end(hub: Hub, how: str) -> None:
    """Let the instance end."""
    match how:
        case "error":
            # Who waits for a lock gets to the error once it has it.
            if hub.store.instance("first") is not None:
                hub.raise_event("Go", id="first")
            hub.raise_event("Go")
        case "cancel":
            hub.send(ExecutionCanceled(reason="enough"))
        case "timeout":
            hub.advance(10)
        case "parked":
            lost = hub.instance().digest
            hub.programs = Programs(lambda digest: None if digest == lost else hub.store.program(digest))
            hub.crash()
            hub.suspend()
            hub.run()
            hub.terminate("enough")
        case _:
            hub.terminate("enough")
    hub.run()


@pytest.mark.parametrize("suspended", [False, True])
def test_a_lock_that_does_not_come_in_time_leaves_nothing_held(hub: Hub, suspended: bool) -> None:
    """The time is that of the wait alone; what comes afterwards is given back."""
    hub.start(HOLDING, {"from": "b", "to": "b"}, id="first")
    hub.run()
    hub.start(LIMITED)
    hub.run()
    if suspended:
        hub.suspend()
        hub.raise_event("Go", id="first")
        hub.run()
    hub.advance(30)
    if suspended:
        hub.resume()
    else:
        hub.raise_event("Go", id="first")
    hub.run()
    assert hub.output() == ("done" if suspended else "Account@b could not be locked in time")
    assert free(hub, "a", "b")
    assert hub.output("first") == [0, -1, 0]


def test_a_limit_of_the_wait_does_not_bound_the_block(hub: Hub) -> None:
    """Once all are held, there is as much time as the block takes."""
    hub.start(LIMITED.replace("held: { value: 1 }", "held: { wait: 1h }"))
    hub.advance(3600)
    assert hub.output() == "done"


def test_only_what_is_held_is_called_under_a_lock(hub: Hub) -> None:
    """A key that is computed may be another one: the call fails, instead of waiting for ever."""
    hub.start(
        """
        do:
          - moved:
              lock_entities: [ "Account@${ input.from }" ]
              do: [ other: { call_entity: "Account@${ input.to }", op: get } ]
        """,
        TWO,
    )
    hub.run()
    assert hub.error()["type"] == "perdure.EntityOperationFailed"
    assert hub.error()["message"] == "Account@b is not held by the lock around this; it holds Account@a"
    assert free(hub, "a")


def test_branches_and_signals_under_a_lock_are_its_holder_s(hub: Hub) -> None:
    """What side by side steps ask for is carried out while it is held."""
    hub.start(
        """
        do:
          - moved:
              lock_entities: [ Account@a, Account@b ]
              do:
                - both:
                    parallel:
                      one: [ x: { call_entity: Account@a, op: add, with: 1 } ]
                      two: [ y: { call_entity: Account@b, op: add, with: 2 } ]
                - signal_entity: { entity: Account@a, op: add, with: 10 }
                - last: { call_entity: Account@a, op: get }
                - output: "${ last }"
          - return: ${ moved }
        """
    )
    hub.run()
    assert hub.output() == 11
    assert hub.state("Account@b") == {"balance": 2}


@pytest.mark.parametrize(
    ("listed", "message"),
    [(["Account"], "'Account' is no entity: write Type@key"), ([1], "1 is no entity: write Type@key")],
)
def test_a_list_of_what_are_no_entities_fails(hub: Hub, listed: list[object], message: str) -> None:
    """Before anything is asked for."""
    hub.start("do: [ { all: { lock_entities: '${ input }', do: [ x: { value: 1 } ] } } ]", listed)
    hub.run()
    assert hub.error()["message"] == message
    assert hub.kinds() == ["ExecutionStarted", "ExecutionCompleted"]


def test_an_empty_list_locks_nothing(hub: Hub) -> None:
    """And the block runs."""
    hub.start(
        "do: [ { all: { lock_entities: '${ input }', do: [ x: { value: 1 } ] } }, { return: '${ all }' } ]",
        [],
    )
    hub.run()
    assert hub.output() == 1


def test_a_key_that_is_empty_is_no_entity(hub: Hub) -> None:
    """Calls and signals fail with the place of their step."""
    hub.start("do: [ { got: { call_entity: 'Account@${ input }', op: get } } ]", "")
    hub.run()
    assert hub.error()["message"] == "'Account@' is no entity: write Type@key"
    assert hub.error()["step"] == "got"


def test_a_lock_is_not_given_by_hand(hub: Hub) -> None:
    """An operator can end the wait for it, with an error."""
    hub.start(HOLDING, {"from": "b", "to": "b"}, id="first")
    hub.start(HOLDING, TWO)
    hub.run()
    assert [each["name"] for each in waiting_for(hub.store, hub.instance(), hub.programs)] == ["Account@b"]
    hub.resolve("do/0/moved")
    hub.run()
    assert hub.status() == "Running"
    hub.send(StepResolved(path="do/0/moved", error="Enough"))
    hub.run()
    assert hub.error()["type"] == "Enough"
    hub.raise_event("Go", id="first")
    hub.run()
    assert free(hub, "a", "b")


def test_delete_waits_for_the_lock(hub: Hub) -> None:
    """An operator is no exception."""
    hub.operate("Account@a", "add", 5)
    hub.start(HOLDING, TWO)
    hub.run()
    hub.tell("Account@a", DeleteRequested())
    hub.run()
    assert hub.state("Account@a") == {"balance": 5}
    hub.crash()
    hub.raise_event("Go")
    hub.run()
    assert hub.output() == [5, 4, 1]
    assert hub.row("Account@a") is None


def test_a_loop_of_locks_meets_no_deadlock(hub: Hub) -> None:
    """Three that want the same entities in other orders all end."""
    for id_, keys in {"x": "abc", "y": "bca", "z": "cab"}.items():
        hub.start(
            "do: [ { all: { lock_entities: '${ input }', do: [ x: { wait: 1s } ] } } ]",
            [f"Account@{key}" for key in keys],
            id=id_,
        )
    hub.advance(10)
    assert [hub.status(each) for each in "xyz"] == ["Completed"] * 3
    assert free(hub, "a", "b", "c")
