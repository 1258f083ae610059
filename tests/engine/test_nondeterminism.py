"""A program that does not fit its history: the instance is parked, and nothing is lost."""

from __future__ import annotations

import inspect

import pytest

from perdure.compiler.encode import encode
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import Asker, ExecutionTerminated
from perdure.engine.linked import LinkedProgram
from perdure.engine.programs import Programs
from perdure.engine.replay import replay
from tests.engine.driver import Hub, compiled
from tests.engine.functions import echo, offer

CHARGE = """
do:
  - order: { call: Echo, with: "${ input }" }
  - paid: { wait_for_event: Paid, timeout: 24h }
  - charge: { call: Echo, with: "${ paid }" }
  - return: ${ charge }
"""
HEADER_LINES = 3
"""What the driver puts before the steps."""


def swap(hub: Hub, program: LinkedProgram, text: str) -> None:
    """Put another program under the digest that an instance is pinned to, and start with empty memory."""
    other = compiled(text)
    _write(hub, program.digest, encode(other.program))


def restore(hub: Hub, program: LinkedProgram) -> None:
    """Put the program back; nobody is told."""
    hub.store._programs[program.digest] = encode(program.program)  # type: ignore[attr-defined]


def _write(hub: Hub, digest: str, text: str) -> None:
    hub.store._programs[digest] = text  # type: ignore[attr-defined]
    hub.programs = Programs(hub.store.program)
    hub.crash()


def parked(
    hub: Hub, text: str = CHARGE.replace("order: { call: Echo", "order: { call: Fail")
) -> LinkedProgram:
    """An instance that waits for an event, whose program was then replaced."""
    offer(hub)
    program = compiled(CHARGE)
    hub.start(program, 7)
    hub.run()
    swap(hub, program, text)
    hub.raise_event("Paid", 8)
    hub.run()
    return program


def test_the_reason_names_step_place_expected_and_actual(hub: Hub) -> None:
    """The first difference is told with the step, file, line and column, and both sides."""
    parked(hub)
    line = (
        HEADER_LINES
        + inspect.cleandoc(CHARGE).splitlines().index('  - order: { call: Echo, with: "${ input }" }')
        + 1
    )
    assert hub.status() == "Suspended"
    reason = hub.instance().reason or ""
    assert reason.startswith("non_determinism: ")
    for part in (
        f"step 'order' (flow.perdure.yaml:{line}:5)",
        "expected call Echo",
        "program decides call Fail",
    ):
        assert part in reason


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "first: { wait: 1h }",
            "second: { wait: 1h }",
            (
                "expected timer for wait of do/0/first at 2023-11-14T23:13:20.000000Z, "
                "program decides timer for wait of do/0/second at 2023-11-14T23:13:20.000000Z"
            ),
        ),
        (
            "first: { call: Slow }",
            "second: { call: Slow }",
            "expected call Slow, program decides call Slow (at do/0/second, not at do/0/first)",
        ),
        (
            "first: { call: Slow, with: 1 }",
            "first: { call: Slow, with: 2 }",
            "expected call Slow, program decides call Slow (another input)",
        ),
    ],
)
def test_two_sides_that_look_alike_say_what_differs(hub: Hub, before: str, after: str, told: str) -> None:
    """The path and a time that people can read, and never a value, which may be private."""
    hub.activity("Slow", echo)
    program = compiled(f"do: [{{ {before} }}]")
    hub.manual = True
    hub.start(program)
    hub.run()
    with pytest.raises(NonDeterminismError) as caught:
        replay(compiled(f"do: [{{ {after} }}]"), "i", hub.rows())
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize(
    "text",
    [
        CHARGE.replace("order: { call: Echo", "order: { call: Fail"),
        CHARGE.replace("${ input }", "${ input + 1 }"),
        CHARGE.replace("timeout: 24h", "timeout: 25h"),
        CHARGE.replace("timeout: 24h", "timeout: never"),
        CHARGE.replace("  - paid: { wait_for_event: Paid, timeout: 24h }\n", "").replace("${ paid }", "1"),
        "do: [{ w: { wait: 1h } }]",
        "do: [{ return: 1 }]",
        "do: [{ raise: { error: No } }]",
        "do: [{ continue_as_new: { input: 1 } }]",
        "do: [{ other: { call: Echo, with: 7 } }]",
    ],
)
def test_any_other_program_parks_the_instance(hub: Hub, text: str) -> None:
    """Another call, argument, timer or end is noticed at the next load."""
    parked(hub, text)
    assert hub.status() == "Suspended"
    assert "non_determinism" in (hub.instance().reason or "")


@pytest.mark.parametrize("broken", ["not json", "{}", '{"ir": 999999}'])
def test_a_program_that_cannot_be_read_parks_the_instance(hub: Hub, broken: str) -> None:
    """A missing or unreadable program is a reason, not a crash; put right, the instance goes on."""
    offer(hub)
    program = compiled(CHARGE)
    hub.start(program, 7)
    hub.run()
    _write(hub, program.digest, broken)
    hub.raise_event("Paid", 8)
    hub.run()
    assert (hub.status(), bool(hub.instance().reason)) == ("Suspended", True)
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == 8


def test_restored_and_resumed_it_finishes(hub: Hub) -> None:
    """With its program back the instance takes what came meanwhile and ends as if nothing had been."""
    program = parked(hub)
    restore(hub, program)
    hub.resume()
    hub.run()
    assert (hub.output(), hub.instance().reason) == (8, None)
    assert [task.input for task in hub.calls] == [7, 8]


def test_resumed_without_its_program_it_stays_suspended(hub: Hub) -> None:
    """A resume tries again, fails again, and can be repeated."""
    program = parked(hub)
    for _ in range(3):
        hub.resume()
        hub.run()
        assert "non_determinism" in (hub.instance().reason or "")
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == 8


def test_a_restored_program_waits_for_the_resume(hub: Hub) -> None:
    """A parked instance does not go on by itself, not even after a crash."""
    program = parked(hub)
    restore(hub, program)
    hub.crash()
    hub.run()
    assert hub.status() == "Suspended"
    hub.raise_event("Other", 1)
    hub.run()
    assert hub.status() == "Suspended"
    hub.terminate()
    hub.run()


def test_what_comes_while_parked_is_kept_in_order(hub: Hub) -> None:
    """Events, results and timers are there at the resume."""
    offer(hub)
    text = """
        do:
          - p:
              parallel:
                events: [{ e: { wait_for_event: Go, count: 3, timeout: never } }]
                timer: [{ w: { wait: 1h } }]
                task: [{ a: { call: Echo, with: 5 } }]
          - return: ${ [p.events, p.timer, p.task] }
        """
    hub.manual = True
    program = compiled(text)
    hub.start(program)
    hub.run()
    swap(hub, program, "do: [{ return: 1 }]")
    hub.raise_event("Go", 1)
    hub.run()
    hub.manual = False
    hub.raise_event("Go", 2)
    hub.advance(3600)
    hub.crash()
    hub.raise_event("Go", 3)
    hub.run()
    assert hub.status() == "Suspended"
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == [[1, 2, 3], None, 5]


def test_terminate_works_without_a_program(hub: Hub) -> None:
    """What is open is read off the history; events that were set aside become dead letters."""
    program = parked(hub)
    hub.raise_event("Paid", 9)
    hub.run()
    hub.terminate("gone")
    hub.run()
    restore(hub, program)
    hub.programs = Programs(hub.store.program)
    assert (hub.status(), hub.instance().reason, hub.leftovers()) == ("Terminated", "gone", [])
    assert [letter.reason for letter in hub.store.dead_letters("i")] == ["ended"] * 2


def test_other_instances_go_on(hub: Hub) -> None:
    """An instance that is parked delays no other."""
    parked(hub)
    hub.start("do: [{ a: { call: Echo, with: 1 } }, { return: '${ a }' }]", id="other")
    hub.run()
    assert hub.output("other") == 1


def test_a_suspended_instance_that_is_parked_is_resumed_once(hub: Hub) -> None:
    """One resume ends both: that by a person, and that for its program."""
    offer(hub)
    program = compiled(CHARGE)
    hub.start(program, 7)
    hub.run()
    hub.suspend()
    hub.run()
    swap(hub, program, "do: [{ return: 1 }]")
    hub.raise_event("Paid", 8)
    hub.run()
    assert "non_determinism" in (hub.instance().reason or "")
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == 8


def test_a_resume_is_not_lost_in_a_crash(hub: Hub) -> None:
    """A resume that was taken counts, though the process dies before the instance is read again."""
    program = parked(hub)
    restore(hub, program)
    hub.resume()
    for _ in range(6):
        hub.round()
        hub.crash()
    hub.run()
    assert hub.output() == 8


def test_a_resume_and_a_result_together(hub: Hub) -> None:
    """A result that completes the instance may come in the very turn that resumes it."""
    hub.activity("Echo", lambda value: value)
    hub.manual = True
    text = "do: [{ a: { call: Echo, with: 1 } }, { return: '${ a }' }]"
    program = compiled(text)
    hub.start(program)
    hub.run()
    task = hub.open[0]
    swap(hub, program, "do: [{ return: 1 }]")
    hub.run()
    restore(hub, program)
    hub.resume()
    hub.round()
    hub.finish(task)
    hub.run()
    hub.manual = False
    hub.run()
    assert hub.output() == 1


def test_parked_before_its_first_turn(hub: Hub) -> None:
    """An instance whose program was never there starts when it comes and is resumed."""
    offer(hub)
    program = compiled(CHARGE)
    hub.start(program, 7)
    _write(hub, program.digest, "not json")
    hub.raise_event("Paid", 8)
    hub.run()
    assert hub.status() == "Suspended"
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == 8


def test_a_program_of_the_same_meaning_goes_on(hub: Hub) -> None:
    """Steps that have not been reached may differ: only what was decided is compared."""
    offer(hub)
    program = compiled(CHARGE)
    hub.start(program, 7)
    hub.run()
    swap(hub, program, CHARGE.replace("return: ${ charge }", "return: ${ charge + 1 }"))
    hub.raise_event("Paid", 8)
    hub.run()
    assert hub.output() == 9
    restore(hub, program)
    swap(hub, program, CHARGE.replace("return: ${ charge }", "return: ${ charge + 1 }"))


def test_what_comes_behind_a_terminate_is_a_dead_letter(hub: Hub) -> None:
    """As it would be for one that runs."""
    program = parked(hub)
    hub.terminate("enough")
    hub.raise_event("Paid", 9)
    hub.run()
    restore(hub, program)
    hub.programs = Programs(hub.store.program)
    assert hub.status() == "Terminated"
    assert [each.reason for each in hub.store.dead_letters()] == ["ended", "ended"]


def test_a_terminate_of_somebody_elses_parent_is_not_for_it(hub: Hub) -> None:
    """It was for an instance that had this id before."""
    program = parked(hub)
    hub.send(ExecutionTerminated(parent=Asker("p", "x", 1)))
    hub.run()
    assert (hub.status(), hub.store.dead_letters()) == ("Suspended", [])
    restore(hub, program)
    hub.resume()
    hub.run()
    assert hub.output() == 8


def test_a_program_that_decides_more_before_the_next_event(hub: Hub) -> None:
    """Both are of one turn: the first difference is what is not in the history."""
    offer(hub)
    text = "do: [ { p: { parallel: { a: [ { e: { wait_for_event: Go, timeout: never } } ] } } } ]"
    program = compiled(text)
    hub.start(program)
    hub.raise_event("Other")
    hub.run()
    swap(hub, program, text.replace("a: [", "b: [ { x: { wait: 1h } } ], a: ["))
    hub.raise_event("Other")
    hub.run()
    assert hub.status() == "Suspended"
    assert "expected nothing" in (hub.instance().reason or "")
    restore(hub, program)
    hub.resume()
    hub.raise_event("Go")
    hub.run()
    assert hub.status() == "Completed"
