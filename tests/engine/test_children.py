"""``call_workflow`` and ``start_workflow``: children, detached instances, and what becomes of them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from perdure.engine.client import Client
from perdure.engine.events import (
    ExecutionCanceled,
    StartRequested,
    SubOrchestrationCanceled,
    SubOrchestrationInstanceCreated,
)
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import InstanceQuery
from tests.engine.driver import SECOND, START, Hub, compiled
from tests.engine.functions import finish_all, flaky, offer

EVERYTHING = InstanceQuery(limit=1000)
CHILD = """
dsl: perdure/1
name: child
version: 1.0.0
do:
  - made: { call: Echo, with: "${ input }" }
  - return: { got: "${ made }", by: "${ workflow.parent_id }" }
"""
WAITS = """
dsl: perdure/1
name: waits
version: 1.0.0
events: { Go: {} }
do:
  - going: { wait_for_event: Go, timeout: never }
  - return: ${ going }
"""
FAILS = """
dsl: perdure/1
name: fails
version: 1.0.0
do:
  - bad: { call: Fail, with: "${ input }" }
"""
WITH_PLACE = "concurrency: { key: '${ input.size }', limit: 1 }"
SHARED = "do: [ { c: { call_workflow: waits, instance_id: shared, if_exists: reuse } }, return: '${ c }' ]"


@pytest.fixture(autouse=True)
def deployed(hub: Hub) -> None:
    """What the parents of these tests call."""
    offer(hub)
    for text in (CHILD, WAITS, FAILS):
        hub.deploy(text)


def child_of(hub: Hub, id: str = "i") -> str:
    """The id of the last child that an instance has asked for."""
    return [each.instance for each in hub.events(id) if isinstance(each, SubOrchestrationInstanceCreated)][-1]


def caught(step: str) -> str:
    """A workflow that returns the error of a step."""
    return f"""
    do:
      - t:
          try: [ {{ c: {{ {step} }} }} ]
          catch: [ do: [ output: "${{ error }}" ] ]
      - return: ${{ t }}
    """


def test_a_child_returns_its_output(hub: Hub) -> None:
    """The value of the step is the child's output; the child knows whose it is."""
    hub.start("do: [ { c: { call_workflow: child, with: 7 } }, return: '${ c }' ]")
    hub.run()
    assert hub.output() == {"got": 7, "by": "i"}
    assert hub.instance("i:do.0.c").parent_id == "i"


def test_a_child_that_fails_raises_sub_workflow_failed(hub: Hub) -> None:
    """With the child's id and status, and its error as the cause."""
    hub.start(caught("call_workflow: fails, with: 1"))
    hub.run()
    error = hub.output()
    assert (error["type"], error["data"]) == (
        "perdure.SubWorkflowFailed",
        {"instance_id": "i:do.0.t.try.0.c", "status": "Failed"},
    )
    assert (error["cause"]["type"], error["cause"]["data"]) == ("Broken", {"given": 1})


def test_children_are_made_once_whenever_the_worker_dies(hub: Hub) -> None:
    """A crash after each round: every child is there once, and the parent hears of each once."""
    hub.deploy('dsl: perdure/1\nname: plain\nversion: 1.0.0\ndo: [ return: "${ input }" ]')
    hub.start(
        """
        do:
          - f: { fan_out: [1, 2, 3], each: n, do: [ { c: { call_workflow: plain, with: "${ n }" } } ] }
          - return: ${ f.results }
        """
    )
    for _ in range(40):
        hub.round()
        hub.crash()
    hub.run()
    assert hub.output() == [1, 2, 3]
    assert len(hub.store.instances(EVERYTHING)) == 4


def test_ids_tell_items_generations_and_attempts_apart(hub: Hub) -> None:
    """No two children have the same id, and each is an id that the API takes."""
    hub.activity("Once", flaky(1, error=ValueError))
    hub.deploy("dsl: perdure/1\nname: shaky\nversion: 1.0.0\ndo: [ { x: { call: Once } } ]")
    hub.start(
        """
        do:
          - f: { fan_out: ["a/b", "a#b"], each: n, key: "${ n }", do: [ { c: { call_workflow: child } } ] }
          - r: { call_workflow: shaky, retry: { attempts: 2, delay: 1s } }
          - if: "${ workflow.generation == 1 }"
            then: [ continue_as_new: { input: null } ]
        """
    )
    hub.advance(5)
    assert hub.status() == "Completed"
    ids = {each.id for each in hub.store.instances(EVERYTHING)} - {"i"}
    assert ids == {
        "i:do.0.f[a%2Fb].do.0.c", "i:do.0.f[a%23b].do.0.c", "i:do.1.r", "i:do.1.r:2",
        "i:2:do.0.f[a%2Fb].do.0.c", "i:2:do.0.f[a%23b].do.0.c", "i:2:do.1.r",
    }  # fmt: skip


def test_an_id_in_use_is_refused(hub: Hub) -> None:
    """Without ``if_exists`` the step fails with perdure.Exists; whoever has the id goes on."""
    hub.start(WAITS, id="taken")
    hub.run()
    hub.start(caught("call_workflow: child, instance_id: taken"))
    hub.run()
    assert hub.output()["type"] == "perdure.Exists"
    assert hub.status("taken") == "Running"


def test_what_is_there_is_reused(hub: Hub) -> None:
    """Running: its end is awaited, by its parent and by everybody else. Ended: its output is there."""
    for each in ("a", "b"):
        hub.start(SHARED, id=each)
    hub.run()
    hub.raise_event("Go", 5, id="shared")
    hub.run()
    hub.start(SHARED, id="late")
    hub.run()
    assert [hub.output(each) for each in ("a", "b", "late")] == [5, 5, 5]
    assert hub.instance("shared").generation == 1


def test_an_end_that_comes_before_the_reuse_is_heard_is_no_loss(hub: Hub) -> None:
    """The instance ends in the very turn that should have heard of one more who waits."""
    hub.start(WAITS, id="shared")
    hub.run()
    hub.raise_event("Go", 5, id="shared")
    hub.start(
        "do: [ { c: { call_workflow: waits, instance_id: shared, if_exists: reuse } }, return: '${ c }' ]"
    )
    hub.run()
    assert hub.output() == 5


def test_an_ended_one_is_replaced(hub: Hub) -> None:
    """``replace_ended`` starts anew; one that runs is never replaced."""
    hub.start(CHILD, 1, id="old")
    hub.run()
    before = hub.instance("old").execution
    again = "instance_id: old, if_exists: replace_ended"
    hub.start(f"do: [ {{ c: {{ call_workflow: child, with: 2, {again} }} }}, return: '${{ c.got }}' ]")
    hub.run()
    assert hub.output() == 2
    assert hub.instance("old").execution != before
    hub.start(WAITS, id="busy")
    hub.run()
    hub.start(caught("call_workflow: child, instance_id: busy, if_exists: replace_ended"), id="j")
    hub.run()
    assert hub.output("j")["type"] == "perdure.Exists"


def test_a_child_with_an_id_of_its_own_is_tried_again(hub: Hub) -> None:
    """The next attempt takes the place of the one that failed."""
    hub.activity("Once", flaky(1, error=ValueError))
    hub.deploy("dsl: perdure/1\nname: shaky\nversion: 1.0.0\ndo: [ { x: { call: Once } }, return: '${ x }' ]")
    retry = "retry: { attempts: 2, delay: 1s }"
    hub.start(f"do: [ {{ c: {{ call_workflow: shaky, instance_id: s, {retry} }} }}, return: '${{ c }}' ]")
    hub.advance(2)
    assert hub.output() == "done"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("call_workflow: nothing", "no workflow 'nothing' is deployed"),
        ("call_workflow: child, version: ^2.0", "no version of 'child' is in '^2.0': there is 1.0.0"),
        ("start_workflow: nothing", "no workflow 'nothing' is deployed"),
    ],
)
def test_what_cannot_be_started_is_told(hub: Hub, step: str, message: str) -> None:
    """A typed error at the step, for children and for detached instances."""
    hub.start(caught(step))
    hub.run()
    error = hub.output()
    assert (error["type"], error["message"]) == ("perdure.SubWorkflowFailed", message)


def test_a_start_that_comes_twice_starts_once(hub: Hub) -> None:
    """Whoever does not know whether it was written says it again, and nothing more comes of that."""
    asked: Any = StartRequested(name="waits", execution="x9")
    for _ in range(2):
        hub.store.post(hub._message("o", asked), None)
        hub.run()
    assert (hub.status("o"), hub.instance("o").execution) == ("Running", "x9")
    assert (hub.kinds("o").count("ExecutionStarted"), hub.store.dead_letters()) == (1, [])
    assert hub.leftovers("o") == []


@pytest.mark.parametrize("key", ["tags: { size: '${ input.size }' }", WITH_PLACE])
@pytest.mark.parametrize("step", ["call_workflow", "start_workflow"])
def test_a_header_that_cannot_be_computed_is_told(hub: Hub, step: str, key: str) -> None:
    """As it would be to a client; there is no instance then."""
    hub.deploy(f"dsl: perdure/1\nname: odd\nversion: 1.0.0\n{key}\ndo: [ return: 1 ]")
    hub.start(caught(f"{step}: odd, instance_id: o, with: {{}}"))
    hub.run()
    error = hub.output()
    assert (error["type"], hub.store.instance("o")) == ("perdure.Expression", None)
    assert "yaml:4:" in error["message"]


@pytest.mark.parametrize("step", ["call_workflow", "start_workflow"])
def test_a_bad_id_is_an_error_of_the_expression(hub: Hub, step: str) -> None:
    """An id that no instance can have never leaves the machine."""
    hub.start(caught(f"{step}: child, instance_id: '${{ input }}'"), "a/b")
    hub.run()
    assert hub.output()["type"] == "perdure.Expression"


@pytest.mark.parametrize(
    "step", ["send_event: { to: '${ input }', event: Go }", "cancel: { instance: '${ input }' }"]
)
def test_nothing_is_said_to_a_bad_id(hub: Hub, step: str) -> None:
    """Nobody could hear it, as with an id that nobody has; the log tells."""
    hub.start(f"do: [ {{ {step} }}, return: 1 ]", "a/b")
    hub.run()
    assert hub.output() == 1
    ((line),) = hub.logs
    assert (line.level, "'a/b' is no id of an instance" in line.message) == ("warning", True)


def test_an_input_that_does_not_fit_is_told(hub: Hub) -> None:
    """The child's schema is checked before it exists."""
    header = "dsl: perdure/1\nname: strict\nversion: 1.0.0\n"
    hub.deploy(f"{header}input: {{ schema: {{ type: integer }} }}\ndo: [ return: 1 ]")
    hub.start(caught("call_workflow: strict, with: x"))
    hub.run()
    error = hub.output()
    assert error["type"] == "perdure.Schema"
    assert "input of 'strict'" in error["message"]


def test_the_newest_version_in_the_range_is_taken(hub: Hub) -> None:
    """Resolved when the child starts, and recorded in its row."""
    for version in ("1.1.0", "1.2.0", "2.0.0"):
        hub.deploy(f"dsl: perdure/1\nname: many\nversion: {version}\ndo: [ return: '{version}' ]")
    hub.start("do: [ { c: { call_workflow: many, version: ^1.0 } }, return: '${ c }' ]")
    hub.run()
    assert hub.output() == "1.2.0"
    assert hub.instance("i:do.0.c").version == "1.2.0"


@pytest.mark.parametrize(
    ("policy", "status"), [("terminate", "Terminated"), ("cancel", "Canceled"), ("abandon", "Running")]
)
@pytest.mark.parametrize("end", ["terminate", "timeout", "race"])
def test_on_parent_close(hub: Hub, end: str, policy: str, status: str) -> None:
    """What becomes of a child that nobody waits for any more, because its parent ended or its step did."""
    step = f"call_workflow: waits, on_parent_close: {policy}"
    text = {
        "terminate": f"do: [ {{ c: {{ {step} }} }} ]",
        "timeout": f"do: [ {{ c: {{ {step}, timeout: 1s }} }} ]",
        "race": f"do: [ r: {{ race: {{ a: [ c: {{ {step} }} ], b: [ w: {{ wait: 1s }} ] }} }} ]",
    }[end]
    hub.start(text)
    hub.run()
    child = child_of(hub)
    if end == "terminate":
        hub.terminate()
    hub.advance(2)
    assert hub.instance().status.ended
    assert hub.status(child) == status


def test_a_stranger_is_not_closed(hub: Hub) -> None:
    """An instance that was reused is nobody's child: the end of who waits for it is nothing to it."""
    hub.start(WAITS, id="shared")
    hub.run()
    hub.start("do: [ { c: { call_workflow: waits, instance_id: shared, if_exists: reuse } } ]")
    hub.run()
    hub.terminate()
    hub.run()
    assert (hub.status(), hub.status("shared")) == ("Terminated", "Running")


def test_a_family_is_suspended_resumed_and_terminated_together(hub: Hub) -> None:
    """Grandchildren too."""
    hub.deploy("dsl: perdure/1\nname: middle\nversion: 1.0.0\ndo: [ { c: { call_workflow: waits } } ]")
    hub.start("do: [ { m: { call_workflow: middle } } ]")
    hub.run()
    family = ["i", child_of(hub), child_of(hub, child_of(hub))]
    for act, status in ((hub.suspend, "Suspended"), (hub.resume, "Running"), (hub.terminate, "Terminated")):
        act()
        hub.run()
        assert [hub.status(each) for each in family] == [status] * 3


def test_a_parked_parent_that_is_terminated_closes_its_children(hub: Hub) -> None:
    """What is open is read off its history, without its Program."""
    hub.start("do: [ { c: { call_workflow: waits } } ]")
    hub.run()
    child = child_of(hub)
    digest = hub.instance().digest
    other = hub.deploy("dsl: perdure/1\nname: other\nversion: 1.0.0\ndo: [ { w: { wait: 1s } } ]")
    programs = hub.store._programs  # type: ignore[attr-defined]
    right, programs[digest] = programs[digest], programs[other.digest]
    hub.programs = Programs(hub.store.program)
    hub.crash()
    hub.raise_event("Go")
    hub.run()
    assert "non_determinism" in (hub.instance().reason or "")
    hub.terminate()
    hub.run()
    assert (hub.status(), hub.status(child)) == ("Terminated", "Terminated")
    programs[digest] = right
    hub.programs = Programs(hub.store.program)


def test_a_detached_instance_goes_on_alone(hub: Hub) -> None:
    """The step's value is its id; the end of who started it is nothing to it."""
    hub.start("do: [ { s: { start_workflow: waits, instance_id: alone } }, return: '${ s }' ]")
    hub.run()
    assert hub.output() == "alone"
    assert (hub.status("alone"), hub.instance("alone").parent_id) == ("Running", None)


def test_a_start_can_wait_for_its_time(hub: Hub) -> None:
    """``start_at``: the instance is there, Pending, and begins when it is due, not before."""
    hub.start(
        """
        do:
          - s:
              start_workflow: child
              instance_id: later
              with: 1
              start_at: ${ now() + duration('60s') }
        """
    )
    hub.run()
    assert (hub.status(), hub.status("later")) == ("Completed", "Pending")
    hub.clock.now = START + 59 * SECOND
    hub.run()
    assert hub.status("later") == "Pending"
    hub.clock.now = START + 60 * SECOND
    hub.run()
    assert hub.status("later") == "Completed"


def test_events_and_cancellations_are_sent(hub: Hub) -> None:
    """To an instance by its id; for one that is not there they do nothing."""
    hub.start(WAITS, id="a")
    hub.start(WAITS, id="b")
    hub.run()
    hub.start(
        """
        do:
          - send_event: { to: a, event: Go, with: 4 }
          - cancel: { instance: b, reason: enough }
          - send_event: { to: nobody, event: Go }
          - cancel: { instance: nobody }
          - return: 1
        """
    )
    hub.run()
    assert (hub.output(), hub.output("a"), hub.status("b")) == (1, 4, "Canceled")
    assert [letter.instance for letter in hub.store.dead_letters()] == ["nobody", "nobody"]


def test_two_instances_that_tell_each_other_do_not_deadlock(hub: Hub) -> None:
    """Each sends while the other does, a hundred times over."""
    text = """
    events: { Ping: {} }
    do:
      - f:
          for_each: ${ lists.range(100) }
          each: n
          do:
            - send_event: { to: "${ input }", event: Ping, with: "${ n }" }
            - got: { wait_for_event: Ping, timeout: never }
            - output: ${ got }
      - return: ${ f }
    """
    hub.start(text, "b", id="a")
    hub.start(text, "a", id="b")
    hub.run()
    assert hub.output("a") == hub.output("b") == list(range(100))


def test_a_late_answer_is_no_dead_letter(hub: Hub) -> None:
    """The parent has ended, nobody waits: that the child ended is nobody's concern."""
    hub.start("do: [ { c: { call_workflow: waits, on_parent_close: abandon } } ]")
    hub.run()
    child = child_of(hub)
    hub.terminate()
    hub.run()
    hub.raise_event("Go", id=child)
    hub.run()
    assert (hub.status(child), hub.store.dead_letters()) == ("Completed", [])


def test_a_memory_that_is_lost_starts_nothing_twice(hub: Hub) -> None:
    """The message that asks is read again, and it is known what came of it."""
    hub.start("do: [ { c: { call_workflow: child, with: 1 } }, return: '${ c.got }' ]")
    for _ in range(2):
        hub.round()
    hub.rejoin()
    hub.run()
    assert hub.output() == 1
    assert len(hub.calls) == 1


def test_a_canceled_step_says_so(hub: Hub) -> None:
    """The history shows what was done with the child."""
    hub.start("do: [ { c: { call_workflow: waits, timeout: 1s, on_parent_close: cancel } } ]")
    hub.advance(2)
    found = [each for each in hub.events() if isinstance(each, SubOrchestrationCanceled)]
    assert [(each.instance, each.action) for each in found] == [("i:do.0.c", "cancel")]
    assert hub.error()["type"] == "perdure.Timeout"


def test_cancel_runs_finally_once(hub: Hub) -> None:
    """An instance that is asked to end runs its ``finally``; a second request changes nothing."""
    hub.manual = True
    hub.start(
        """
        do:
          - t:
              try: [ { a: { call: Echo, with: 1 } } ]
              finally: [ { b: { call: Echo, with: 2 } } ]
        """
    )
    hub.run()
    for _ in range(2):
        hub.send(ExecutionCanceled(reason="enough"))
        hub.run()
    finish_all(hub, 2)
    assert hub.status() == "Canceled"
    assert [task.input for task in hub.calls] == [1, 2]


def test_a_detached_instance_that_is_there_is_reused(hub: Hub) -> None:
    """Whoever asks for it hears its id, and it goes on as it was."""
    hub.start(WAITS, id="w")
    hub.run()
    before = hub.instance("w").execution
    hub.start(
        "do: [ { s: { start_workflow: waits, instance_id: w, if_exists: reuse } }, { return: '${ s }' } ]"
    )
    hub.run()
    assert hub.output() == "w"
    assert (hub.status("w"), hub.instance("w").execution) == ("Running", before)


def test_a_start_that_nobody_waits_for_and_cannot_be_is_a_dead_letter(hub: Hub) -> None:
    """With the reason that whoever asked would hear."""
    asked: Any = StartRequested(name="nothing", execution="x9")
    hub.store.post(hub._message("o", asked), None)
    hub.run()
    (letter,) = hub.store.dead_letters("o")
    assert "no workflow 'nothing' is deployed" in letter.reason
    assert hub.store.instance("o") is None


def test_a_child_whose_deployed_program_cannot_be_read_fails_its_parent() -> None:
    """It says why; nobody waits for ever."""
    hub = Hub()
    child = hub.deploy("dsl: perdure/1\nname: child\nversion: 1.0.0\ndo: [ { w: { wait: 1h } } ]")
    cast("MemoryStore", hub.store)._programs[child.digest] = "{"
    hub.start("do: [ { c: { call_workflow: child } } ]")
    hub.run()
    assert hub.error()["type"] == "perdure.SubWorkflowFailed"
    assert "program" in hub.error()["message"], hub.error()


def test_a_child_that_came_with_its_parent_needs_no_deployment(hub: Hub) -> None:
    """It is what the name means, also for the children of that child."""
    head = "dsl: perdure/1\nversion: 1.0.0\n"
    leaf = compiled(head + "name: leaf\ndo: [ { return: '${ input + 1 }' } ]")
    steps = "do: [ {{ c: {{ call_workflow: {}, with: '${{ input + 1 }}' }} }}, {{ return: '${{ c }}' }} ]"
    below = compiled(head + "name: below\n" + steps.format("leaf"))
    above = compiled(head + "name: above\n" + steps.format("below"))
    Client(hub.store).run(above.program, 1, id="i", others=[below.program, leaf.program])
    hub.run()
    assert hub.output() == 4
