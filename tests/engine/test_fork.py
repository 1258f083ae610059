"""Fork: another instance begins with the past of one, up to a step, and goes on from there."""

from __future__ import annotations

import pytest

from perdure.engine.client import Client
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.events import ExecutionForked, ExecutionStarted
from perdure.engine.store.rows import InstanceQuery
from tests.engine.driver import SECOND, START, Hub
from tests.engine.functions import offer
from tests.engine.messages import DESK

CHAIN = """
dsl: perdure/1
name: chain
version: {version}
do:
  - first: {{ call: Echo, with: 1 }}
  - pause: {{ wait: 1h }}
  - second: {{ call: Echo, with: "${{ first + {add} }}" }}
  - third: {{ call: Echo, with: "${{ second + 1 }}" }}
  - return: ${{ [first, second, third] }}
"""


def chain(hub: Hub) -> Client:
    """An instance ``i`` of a chain that has completed, and a client that can fork it."""
    offer(hub)
    hub.deploy(CHAIN.format(version="1.0.0", add=1))
    client = Client(hub.store)
    client.start("chain@1.0.0", id="i")
    hub.advance(3600)
    assert hub.output() == [1, 2, 3]
    return client


def test_it_goes_on_from_the_step(hub: Hub) -> None:
    """What was before it is not done again; what follows is, with the keys that it had."""
    client = chain(hub)
    before = len(hub.calls)
    assert client.fork("i", "second", id="j") == {"id": "j", "changed": True}
    assert hub.status("j") == "Pending"
    hub.run()
    assert hub.output("j") == [1, 2, 3]
    again = hub.calls[before:]
    assert [task.path for task in again] == ["do/2/second", "do/3/third"]
    assert [task.key for task in again] == [task.key for task in hub.calls[1:before]]
    assert hub.output() == [1, 2, 3], "the other one is as it was"


def test_its_history_is_its_own(hub: Hub) -> None:
    """It has what was taken over at the times when it was, and says where it comes from."""
    client = chain(hub)
    client.fork("i", "do/2/second", id="j", reason="why not")
    hub.run()
    events = hub.events("j")
    assert isinstance(events[0], ExecutionStarted)
    assert events[0].execution == hub.instance("j").execution != hub.instance().execution
    forked = next(event for event in events if isinstance(event, ExecutionForked))
    assert (forked.source, forked.step, forked.reason, forked.turns) == ("i", "do/2/second", "why not", ())
    assert hub.rows("j")[0].at == START
    assert hub.instance("j").created_at == START + 3600 * SECOND
    assert hub.store.payloads("j").keys() == {"input", "output"}


def test_onto_another_version(hub: Hub) -> None:
    """It does the same with this past, and another thing from the step on."""
    client = chain(hub)
    hub.deploy(CHAIN.format(version="2.0.0", add=10))
    client.fork("i", "second", id="j", version="2.0.0")
    hub.run()
    assert hub.output("j") == [1, 11, 12]
    assert hub.instance("j").version == "2.0.0"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ("- second: { call: Echo, with: 1 }", "does not ask for what event"),
        (
            "- first: { call: Echo, with: 1 }\n- pause: { wait: 1h }\n- other: { call: Echo }",
            "does not come to",
        ),
        ("- raise: { error: Never }", "comes from the workflow itself"),
        ("- return: 1", "comes to its end at once"),
    ],
)
def test_a_version_that_does_not_agree(hub: Hub, steps: str, why: str) -> None:
    """The difference is told, and nothing is started."""
    client = chain(hub)
    lines = "\n".join(f"  {line}" for line in steps.splitlines())
    hub.deploy(f"dsl: perdure/1\nname: chain\nversion: 3.0.0\ndo:\n{lines}")
    with pytest.raises(Conflict, match=why) as caught:
        client.fork("i", "second", id="j", version="3.0.0")
    assert caught.value.code == "not_forkable"
    assert hub.store.instance("j") is None


def test_a_step_that_it_never_came_to(hub: Hub) -> None:
    """The steps that it came to are told."""
    client = chain(hub)
    with pytest.raises(Conflict, match=r"it came to: do/0/first, do/1/pause, do/2/second, do/3/third"):
        client.fork("i", "fourth")


def test_an_id_in_use_and_an_unknown_version(hub: Hub) -> None:
    """As with a start."""
    client = chain(hub)
    client.fork("i", "second", id="j")
    with pytest.raises(Conflict, match="exists already"):
        client.fork("i", "second", id="j")
    with pytest.raises(NotFound):
        client.fork("i", "second", version="9.0.0")
    with pytest.raises(NotFound):
        client.fork("nobody", "second")


def test_a_key_makes_it_repeatable(hub: Hub) -> None:
    """The second call names the first one's instance."""
    client = chain(hub)
    first = client.fork("i", "second", request_key="k")
    assert client.fork("i", "second", request_key="k") == first
    hub.run()
    assert len(hub.store.instances(InstanceQuery(limit=10))) == 2


def test_what_is_open_beside_the_step_is_open_in_the_fork(hub: Hub) -> None:
    """Tasks are scheduled, timers run, events are waited for; time limits begin anew."""
    offer(hub)
    hub.manual = True
    hub.start(
        """
        do:
          - all:
              parallel:
                a: [{ one: { call: Echo, with: 1 } }, { late: { call: Echo, with: 9, timeout: 1m } }]
                b: [{ two: { call: Echo, with: 2, timeout: 1h } }]
                c: [{ go: { wait_for_event: Go, timeout: 2h } }]
          - return: ${ all }
        """
    )
    hub.run()
    hub.finish(next(task for task in hub.open if task.input == 1))
    hub.advance(600)
    assert hub.status() == "Failed"
    hub.open.clear()
    Client(hub.store).fork("i", "late", id="j")
    hub.run()
    assert sorted(task.input for task in hub.open) == [2, 9]
    for task in list(hub.open):
        hub.finish(task)
    hub.raise_event("Go", 3, id="j")
    hub.run()
    assert {**hub.output("j"), "a": None} == {"a": None, "b": 2, "c": 3}


def test_a_fork_of_one_that_runs(hub: Hub) -> None:
    """Both go on; a suspended one's fork is not suspended."""
    offer(hub)
    hub.start("do: [{ a: { call: Echo, with: 1 } }, { w: { wait: 1h } }, { return: '${ a }' }]")
    hub.suspend()
    hub.run()
    hub.resume()
    hub.run()
    hub.suspend()
    hub.run()
    Client(hub.store).fork("i", "w", id="j")
    hub.advance(3600)
    assert (hub.status(), hub.output("j")) == ("Suspended", 1)


def test_children_of_a_fork_are_its_own(hub: Hub) -> None:
    """A child that had answered is not asked again; one that is open is another instance."""
    offer(hub)
    hub.deploy("dsl: perdure/1\nname: kid\nversion: 1.0.0\ndo: [{ a: { call: Echo, with: '${ input }' } }]")
    hub.start(
        """
        do:
          - one: { call_workflow: kid, with: 1 }
          - two: { call_workflow: kid, with: 2 }
        """
    )
    hub.run()
    Client(hub.store).fork("i", "two", id="j")
    hub.run()
    assert hub.status("j") == "Completed"
    ids = sorted(each.id for each in hub.store.instances(InstanceQuery(limit=10)))
    assert ids == ["i", "i:do.0.one", "i:do.1.two", "j", "j:do.1.two"]


def test_a_step_that_leaves_no_trace(hub: Hub) -> None:
    """Who waits for an event without a limit has decided nothing; the fork waits there all the same."""
    offer(hub)
    hub.start(
        """
        do:
          - a: { call: Echo, with: 1 }
          - go: { wait_for_event: Go, timeout: never }
          - b: { call: Echo, with: 2 }
          - return: ${ [a, go, b] }
        """
    )
    hub.run()
    hub.raise_event("Go", "first")
    hub.run()
    Client(hub.store).fork("i", "go", id="j")
    hub.run()
    assert hub.status("j") == "Running"
    hub.raise_event("Go", "second", id="j")
    hub.run()
    assert (hub.output(), hub.output("j")) == ([1, "first", 2], [1, "second", 2])


def test_a_crash_before_it_begins(hub: Hub) -> None:
    """Its first message lies in the inbox."""
    client = chain(hub)
    client.fork("i", "second", id="j")
    hub.crash()
    hub.run()
    hub.crash()
    assert hub.output("j") == [1, 2, 3]


def test_large_values_are_its_own(hub: Hub) -> None:
    """They stay when the other instance is purged."""
    hub.activity("Big", lambda: "x" * 20_000)
    offer(hub)
    hub.start(
        "do: [{ big: { call: Big } }, { a: { call: Echo, with: 1 } }, { return: '${ size(big) + a }' }]"
    )
    hub.run()
    Client(hub.store).fork("i", "a", id="j")
    hub.forget()
    hub.run()
    assert hub.output("j") == 20_001
    hub.crash()
    hub.check("j")


def test_a_fork_from_an_item(hub: Hub) -> None:
    """The path says which one; what came before it counts, in the order of the history."""
    offer(hub)
    hub.start(
        """
        do:
          - all:
              fan_out: "${ [5, 6, 7] }"
              width: 1
              do: [{ a: { call: Echo, with: "${ item }" } }]
          - return: ${ all.results }
        """
    )
    hub.run()
    before = len(hub.calls)
    Client(hub.store).fork("i", "do/0/all[1]/do/0/a", id="j")
    hub.run()
    assert hub.output("j") == [5, 6, 7]
    assert [task.input for task in hub.calls[before:]] == [6, 7]


def test_what_never_began_has_no_past(hub: Hub) -> None:
    """It can be started instead."""
    hub.deploy(CHAIN.format(version="1.0.0", add=1))
    client = Client(hub.store)
    client.start("chain@1.0.0", id="i", delay=60)
    with pytest.raises(Conflict, match="it never began"):
        client.fork("i", "second", id="j")


WAITING = """
dsl: perdure/1
name: waiting
version: {version}
events: {{ Go: {{}}, Come: {{}} }}
do:
  - go: {{ wait_for_event: {event}, timeout: never }}
  - then: {{ wait_for_event: Come, timeout: never }}
  - last: {{ wait: 1h }}
"""


def test_one_that_was_terminated_never_came_to_the_rest(hub: Hub) -> None:
    """Though the step that it did not come to asks for nothing."""
    hub.deploy(WAITING.format(version="1.0.0", event="Go"))
    client = Client(hub.store)
    client.start("waiting@1.0.0", id="i")
    hub.run()
    client.terminate("i")
    hub.run()
    with pytest.raises(Conflict, match="it never came to 'then'"):
        client.fork("i", "then", id="j")
    client.fork("i", "go", id="j")
    hub.run()
    assert hub.status("j") == "Running"


def test_a_version_that_does_not_wait_where_somebody_has_resolved_a_step(hub: Hub) -> None:
    """What was done by hand is named by its kind."""
    hub.deploy(WAITING.format(version="1.0.0", event="Go"))
    other = WAITING.format(version="2.0.0", event="Go").replace("go: {", "gone: {")
    hub.deploy(other)
    client = Client(hub.store)
    client.start("waiting@1.0.0", id="i")
    hub.run()
    hub.resolve("do/0/go", 1)
    hub.raise_event("Come")
    hub.run()
    with pytest.raises(Conflict, match="does not ask for what event 1 answers: StepResolved"):
        client.fork("i", "last", id="j", version="2.0.0")


def test_a_step_inside_a_lock_belongs_to_who_holds_it(hub: Hub) -> None:
    """A fork holds nothing."""
    offer(hub)
    hub.entity(DESK)
    hub.start("do: [ { l: { lock_entities: [ Desk@a ], do: [ { inner: { call: Echo, with: 1 } } ] } } ]")
    hub.run()
    with pytest.raises(Conflict, match="'inner' is inside a lock of Desk@a"):
        Client(hub.store).fork("i", "inner", id="j")


def test_a_chunk_is_not_forked(hub: Hub) -> None:
    """It does a part of its parent's work, and answers nobody else."""
    hub.start("do: [ { all: { fan_out: [1, 2], chunk: 1, do: [ { a: { wait: 1h } } ] } } ]")
    hub.run()
    (chunk, *_) = [each.id for each in hub.store.instances(InstanceQuery(chunks=True)) if each.chunk_of]
    with pytest.raises(Conflict, match="it does a part of its parent's work"):
        Client(hub.store).fork(chunk, "a", id="j")


SAYING = """
dsl: perdure/1
name: saying
version: {version}
do:
  - block: {{ do: [ {{ first: {{ call: Echo, with: 1 }} }}{more} ] }}
  - second: {{ call: Echo, with: 2 }}
"""


def test_what_the_other_version_says_in_between_is_said(hub: Hub) -> None:
    """The past that it takes over does not have it, so nobody has heard it yet."""
    offer(hub)
    hub.deploy(
        "dsl: perdure/1\nname: ear\nversion: 1.0.0\nevents: { Said: {} }\n"
        "do: [{ heard: { wait_for_event: Said, timeout: never } }, { return: '${ heard }' }]"
    )
    hub.deploy(SAYING.format(version="1.0.0", more=""))
    hub.deploy(SAYING.format(version="2.0.0", more=", { send_event: { to: ear, event: Said, with: 5 } }"))
    client = Client(hub.store)
    client.start("ear", id="ear")
    client.start("saying@1.0.0", id="i")
    hub.run()
    client.fork("i", "second", id="j", version="2.0.0")
    hub.run()
    assert (hub.output("ear"), hub.status("j")) == (5, "Completed")
