"""What comes while a batch is under way: it waits for its commit where it must, and is heard after it."""

from __future__ import annotations

from perdure.engine.entity_owner import ROW_SIZE
from perdure.engine.events import EventRaised, ExecutionMigrated, ExecutionRestarted, OperationRequested
from perdure.engine.hot import Sealed
from tests.engine.driver import Hub
from tests.engine.functions import offer
from tests.engine.messages import DESK

COLLECTS = "do: [ { some: { wait_for_event: Go, count: 2, timeout: never } }, { return: '${ some }' } ]"


def sealed(hub: Hub) -> Sealed:
    """The next batch, which is not committed yet."""
    owner = hub.owner
    if wanted := owner.wanted():
        found = hub.store.load(wanted)
        owner.loaded(wanted, found, hub.programs.all(owner.digests(found)), hub.store.time())
    batch = owner.run_ready(hub.store.time())
    assert batch is not None
    return batch


def committed(hub: Hub, batch: Sealed) -> None:
    """It is."""
    hub.store.commit(batch.batch(hub.worker))
    hub.owner.applied(batch)


def test_two_batches_of_one_instance_are_committed_in_order(hub: Hub) -> None:
    """It is not forgotten between them."""
    hub.start(COLLECTS)
    hub.run()
    batches = []
    for value in (1, 2):
        hub.say(EventRaised(name="Go", input=value))
        batches.append(sealed(hub))
    for batch in batches:
        committed(hub, batch)
    hub.run()
    assert hub.output() == [1, 2]


def test_an_order_to_begin_again_waits_for_the_end(hub: Hub) -> None:
    """Whoever gives it has seen no end yet: it is there before the next generation begins."""
    hub.start(COLLECTS)
    hub.run()
    for value in (1, 2):
        hub.say(EventRaised(name="Go", input=value))
    batch = sealed(hub)
    row = hub.instance()
    hub.reopen(ExecutionRestarted(version=row.version, digest=row.digest, input=None))
    assert hub.owner.run_ready(hub.store.time()) is None
    committed(hub, batch)
    assert hub.output() == [1, 2]
    hub.run()
    assert (hub.status(), hub.instance().generation) == ("Running", 2)


def test_a_move_to_another_version_waits_for_what_is_under_way(hub: Hub) -> None:
    """The other Program replays what is in the database, and that has to be all."""
    offer(hub)
    hub.start(COLLECTS)
    hub.run()
    other = hub.deploy(COLLECTS.replace("return:", "a: { call: Echo, with: 1 } }, { return:"))
    hub.say(EventRaised(name="Go", input=1))
    batch = sealed(hub)
    hub.say(ExecutionMigrated(version="1.0.0", digest=other.digest))
    assert hub.owner.run_ready(hub.store.time()) is None
    committed(hub, batch)
    hub.run()
    hub.raise_event("Go", 2)
    hub.run()
    assert (hub.output(), hub.instance().digest) == ([1, 2], other.digest)


def test_an_entity_that_is_told_something_is_read_again_when_it_was_forgotten() -> None:
    """There was no room for it beside the one whose turn was committed."""
    hub = Hub(memory=ROW_SIZE + 100)
    hub.entity(DESK)
    act = OperationRequested(operation="act")
    hub.tell("Desk@a", act)
    hub.run()
    hub.tell("Desk@b", act)
    wanted = hub.owner.entities.wanted()
    hub.owner.entities.loaded(wanted, hub.store.load_entities(wanted))
    batch = sealed(hub)
    hub.tell("Desk@a", act)
    committed(hub, batch)
    assert hub.owner.entities.wanted() == ["@Desk@a"]
    hub.run()
    assert [hub.state(f"Desk@{key}") for key in "ab"] == [2, 1]


def test_a_start_in_memory_comes_before_one_that_is_asked_for(hub: Hub) -> None:
    """One instance of the id begins, and who came later finds it."""
    hub.deploy(COLLECTS)
    parent = """
    do:
      - t:
          try: [ { s: { start_workflow: flow, instance_id: i } } ]
          catch: [ { do: [ output: "${ error }" ] } ]
      - return: ${ t }
    """
    hub.start(parent, id="p")
    hub.round()
    message = hub.begin(COLLECTS)
    hub.run()
    assert (hub.answered, hub.status()) == ([message], "Running")
    assert hub.output("p")["type"] == "perdure.Exists"


def test_starts_that_are_asked_for_are_admitted_slice_by_slice(hub: Hub) -> None:
    """Oldest first, each id once."""
    hub.deploy(COLLECTS)
    start = "{ s: { start_workflow: flow, instance_id: '${ item }' } }"
    hub.start(f"do: [ {{ all: {{ fan_out: [a, b, c], do: [ {start} ] }} }} ]")
    hub.round()
    hub.owner.accept(hub.store.inbox(hub.slots, 100))
    assert [each.message.instance for each in hub.owner.asked(2)] == ["a", "b"]
    hub.run()
    assert {hub.status(one) for one in "abc"} == {"Running"}


def test_who_comes_to_wait_in_the_turn_that_ends_it_hears_the_end(hub: Hub) -> None:
    """What else came too late for that turn is a dead letter."""
    hub.deploy(COLLECTS)
    hub.start(COLLECTS)
    hub.run()
    call = "{ call_workflow: flow, instance_id: i, if_exists: reuse }"
    hub.start(f"do: [ {{ c: {call} }}, {{ return: '${{ c }}' }} ]", id="p")
    hub.round()
    for value in (1, 2, 3):
        hub.raise_event("Go", value)
    hub.run()
    assert hub.output() == hub.output("p") == [1, 2]
    assert [each.reason for each in hub.store.dead_letters()] == ["ended"]


def test_a_second_look_at_slots_that_are_ours_changes_nothing(hub: Hub) -> None:
    """What runs in this process gets no row that others could claim."""
    offer(hub)
    hub.manual = True
    hub.start("do: [ { a: { call: Echo, with: 1 } }, { return: '${ a }' } ]")
    hub.start(COLLECTS, id="j")
    hub.run()
    hub.raise_event("Go", 1, id="j")
    hub.owner.accept(hub.store.inbox(hub.slots, 10))
    hub._take_slots()
    hub.run()
    assert hub.claim() == []
    hub.finish(hub.open[0])
    hub.raise_event("Go", 2, id="j")
    hub.run()
    assert (hub.output(), hub.output("j"), len(hub.calls)) == (1, [1, 2], 1)
