"""``timeout`` and ``deadline``: who sees what, and that nothing is left running."""

from __future__ import annotations

import pytest

from perdure.engine.events import TaskCanceled, TimerCanceled
from tests.engine.driver import SECOND, START, Hub
from tests.engine.functions import echo, offer


def indented(text: str, spaces: int) -> str:
    """The text, each line that far to the right."""
    return "\n".join(" " * spaces + line for line in text.splitlines())


def ended_after(hub: Hub) -> float:
    """Seconds from the start to the end of the instance."""
    ended = hub.instance().ended_at
    assert ended is not None, "it has ended"
    return (ended - START) / SECOND


BODIES = {
    "call": "call: Echo\nwith: 1",
    "do": "do: [{ a: { call: Echo, with: 1 } }]",
    "try": "try: [{ a: { call: Echo, with: 1 } }]\nfinally: [{ f: { value: 1 } }]",
    "fan_out": "fan_out: [1, 2]\ndo: [{ a: { call: Echo, with: 1 } }]",
    "parallel": "parallel: { x: [{ a: { call: Echo, with: 1 } }], y: [{ b: { wait: 1h } }] }",
    "race": "race: { x: [{ a: { call: Echo, with: 1 } }], y: [{ b: { wait: 1h } }] }",
    "for_each": "for_each: [1, 2]\ndo: [{ a: { call: Echo, with: 1 } }]",
    "while": "while: ${ true }\nlimit: 5\ndo: [{ a: { call: Echo, with: 1 } }]",
    "until": "until: ${ false }\nlimit: 5\ndo: [{ a: { call: Echo, with: 1 } }]",
}


@pytest.mark.parametrize("verb", BODIES)
def test_a_step_that_takes_too_long_raises_timeout(hub: Hub, verb: str) -> None:
    """The step itself fails with ``perdure.Timeout`` when its time has passed, and not earlier."""
    offer(hub)
    hub.manual = True
    hub.start(f"do:\n  - slow:\n      timeout: 10s\n{indented(BODIES[verb], 6)}\n")
    hub.advance(9.999)
    assert hub.status() == "Running"
    hub.advance(1)
    error = hub.error()
    assert (error["type"], error["step"], error["path"]) == ("perdure.Timeout", "slow", "do/0/slow")
    assert ended_after(hub) == 10


@pytest.mark.parametrize("verb", BODIES)
def test_a_step_that_ends_in_time_leaves_no_timer(hub: Hub, verb: str) -> None:
    """The timer of a step that ended is canceled."""
    offer(hub)
    body = BODIES[verb].replace("wait: 1h", "wait: 1s")
    hub.start(f"do:\n  - quick:\n      timeout: 10s\n{indented(body, 6)}\n")
    hub.advance(2)
    ended = "Failed" if verb in {"while", "until"} else "Completed"
    assert (hub.status(), hub.store.next_timer(hub.slots)) == (ended, None)
    assert sum(isinstance(event, TimerCanceled) for event in hub.events()) >= 1


def test_an_activity_that_timed_out_is_told_to_stop(hub: Hub) -> None:
    """The task is canceled in the history, and its worker hears of it."""
    offer(hub)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1, timeout: 5s } }]")
    hub.advance(5)
    assert (hub.canceled, hub.kinds().count("TaskCanceled")) == ([hub.calls[0].id], 1)


def test_the_steps_inside_get_canceled(hub: Hub) -> None:
    """What waits inside sees ``perdure.Canceled``; the step leaves as ``perdure.Timeout``."""
    offer(hub)
    hub.start(
        """
        do:
          - outer:
              try:
                - slow:
                    timeout: 10s
                    do:
                      - t:
                          try: [{ pause: { wait: 1h } }]
                          catch: [{ errors: [perdure.Canceled], do: [{ a: { call: Echo,
                                with: "${ error.type }" } }] }]
              catch: [{ do: [{ output: "${ error.type }" }] }]
          - return: ${ outer }
        """
    )
    hub.advance(20)
    assert hub.output() == "perdure.Timeout"
    assert [task.input for task in hub.calls] == ["perdure.Canceled"]


SWALLOWERS = {
    "star": "try: [{ pause: { wait: 1h } }]\ncatch: [{ do: [{ v: { value: 1 } }] }]",
    "timeout": (
        "try: [{ pause: { wait: 1h } }]\ncatch: [{ errors: [perdure.Timeout], do: [{ v: { value: 1 } }] }]"
    ),
    "canceled": (
        "try: [{ pause: { wait: 1h } }]\ncatch: [{ errors: [perdure.Canceled], do: [{ v: { value: 1 } }] }]"
    ),
    "finally raises, star around": """\
try:
  - inner:
      try: [{ pause: { wait: 1h } }]
      finally: [{ if: "${ true }", then: [{ raise: { error: Other } }] }]
catch: [{ do: [{ v: { value: 1 } }] }]""",
    "clause raises, star around": """\
try:
  - inner:
      try: [{ pause: { wait: 1h } }]
      catch: [{ errors: [perdure.Canceled], do: [{ raise: { error: Other } }] }]
catch: [{ do: [{ v: { value: 1 } }] }]""",
    "finally raises late, star around": """\
try:
  - inner:
      try: [{ q: { value: 1 } }]
      finally: [{ pause: { wait: 15s } }, { raise: { error: Other } }]
catch: [{ do: [{ v: { value: 1 } }] }]""",
    "retry": """\
retry: { attempts: 3, delay: 0s }
do:
  - inner:
      try: [{ pause: { wait: 1h } }]
      finally: [{ if: "${ true }", then: [{ raise: { error: Other } }] }]""",
    "clause returns": """\
try: [{ pause: { wait: 1h } }]
catch: [{ errors: [perdure.Canceled], do: [{ return: swallowed }] }]""",
    "clause breaks": """\
for_each: [1, 2]
do:
  - t:
      try: [{ pause: { wait: 1h } }]
      catch: [{ errors: [perdure.Canceled], do: [break] }]""",
    "clause continues": """\
for_each: [1, 2]
do:
  - t:
      try: [{ pause: { wait: 1h } }]
      catch: [{ errors: [perdure.Canceled], do: [continue] }]""",
    "inner timeout caught while finally runs": """\
try:
  - inner:
      timeout: 5s
      do:
        - u:
            try: [{ pause: { wait: 1h } }]
            finally: [{ clean: { wait: 9s } }]
catch: [{ errors: [perdure.Timeout], do: [{ v: { value: 1 } }] }]""",
    "inner timeout retried while finally runs": """\
timeout: 5s
retry: { attempts: 5, delay: 0s }
do:
  - u:
      try: [{ pause: { wait: 1h } }]
      finally: [{ clean: { wait: 9s } }]""",
}


@pytest.mark.parametrize("body", SWALLOWERS)
def test_nothing_inside_can_swallow_a_timeout(hub: Hub, body: str) -> None:
    """Whatever the steps inside do when they are canceled, the step ends with ``perdure.Timeout``."""
    offer(hub)
    hub.start(
        "do:\n  - slow:\n      timeout: 10s\n      do:\n        - guarded:\n"
        f"{indented(SWALLOWERS[body], 12)}\n"
        "        - after: { if: '${ true }', call: Echo, with: never }\n"
    )
    hub.advance(60)
    assert (hub.error()["type"], hub.error()["step"], hub.calls) == ("perdure.Timeout", "slow", [])


def test_a_timeout_waits_for_the_finally_that_runs(hub: Hub) -> None:
    """A time limit that passes while ``finally`` runs takes effect after it."""
    offer(hub)
    hub.start(
        """
        do:
          - slow:
              timeout: 10s
              do:
                - t:
                    try: [{ pause: { wait: 8s } }]
                    finally:
                      - clean: { wait: 7s }
                      - done: { call: Echo, with: cleaned }
                - after: { call: Echo, with: never }
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], [task.input for task in hub.calls]) == ("perdure.Timeout", ["cleaned"])
    assert ended_after(hub) == 15


def test_a_limit_inside_finally_counts_there(hub: Hub) -> None:
    """A step inside ``finally`` has its own time limit, also while an outer one has passed."""
    offer(hub)
    hub.start(
        """
        do:
          - slow:
              timeout: 10s
              do:
                - t:
                    try: [{ pause: { wait: 1h } }]
                    finally:
                      - clean:
                          try: [{ hang: { timeout: 5s, do: [{ more: { wait: 1h } }] } }]
                          catch: [{ errors: [perdure.Timeout], do: [{ c: { call: Echo, with: caught } }] }]
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], [task.input for task in hub.calls]) == ("perdure.Timeout", ["caught"])
    assert ended_after(hub) == 15


def test_a_limit_inside_finally_that_passes_in_a_finally_of_its_own(hub: Hub) -> None:
    """Two limits that pass while inner ``finally`` run are both heard, the inner one first."""
    offer(hub)
    hub.start(
        """
        do:
          - slow:
              timeout: 10s
              do:
                - t:
                    try: [{ pause: { wait: 1h } }]
                    finally:
                      - clean:
                          timeout: 2s
                          do:
                            - u:
                                try: [{ q: { value: 1 } }]
                                finally: [{ clean2: { wait: 5s } }]
                            - more: { wait: 1h }
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], hub.error()["step"], ended_after(hub)) == ("perdure.Timeout", "slow", 15)


def test_a_canceled_step_inside_finally_is_not_canceled_again(hub: Hub) -> None:
    """After a timeout was handled, a later ``try`` is not disturbed by it."""
    offer(hub)
    hub.start(
        """
        do:
          - one:
              try:
                - slow:
                    timeout: 10s
                    do:
                      - t:
                          try: [{ q: { value: 1 } }]
                          finally: [{ pause: { wait: 15s } }, { raise: { error: Other } }]
              catch: [{ do: [{ output: "${ error.type }" }] }]
          - two: { try: [{ v: { value: fine } }], finally: [{ w: { value: 1 } }] }
          - return: ${ [one, two] }
        """
    )
    hub.advance(60)
    assert hub.output() == ["perdure.Timeout", "fine"]


def test_the_branches_of_a_group_that_times_out_clean_up(hub: Hub) -> None:
    """Each item of a ``fan_out`` that times out runs its ``finally`` before the step ends."""
    offer(hub)
    hub.start(
        """
        do:
          - all:
              timeout: 10s
              fan_out: [1, 2, 3]
              do:
                - t:
                    try: [{ pause: { wait: "${ item * 8 }s" } }]
                    finally: [{ z: { call: Echo, with: "${ item }" } }]
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], hub.error()["step"]) == ("perdure.Timeout", "all")
    assert [task.input for task in hub.calls] == [1, 2, 3]


def test_a_timeout_through_nested_groups(hub: Hub) -> None:
    """A limit around groups in groups ends them all, and each ``finally`` runs once."""
    offer(hub)
    hub.start(
        """
        do:
          - slow:
              timeout: 10s
              do:
                - both:
                    parallel:
                      left:
                        - all:
                            fan_out: [1, 2]
                            do: [{ t: { try: [{ p: { wait: 1h } }], finally: [{ z: { call: Echo,
                                  with: "${ item }" } }] } }]
                      right: [{ first: { race: { x: [{ q: { wait: 2h } }], y: [{ r: { wait: 3h } }] } } }]
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], [task.input for task in hub.calls], ended_after(hub)) == (
        "perdure.Timeout",
        [1, 2],
        10,
    )


def test_a_timeout_while_a_failed_group_cleans_up(hub: Hub) -> None:
    """A limit that passes while a failed group waits for a branch's ``finally`` wins."""
    offer(hub)
    hub.start(
        """
        do:
          - slow:
              timeout: 10s
              do:
                - both:
                    parallel:
                      bad: [{ p: { wait: 5s } }, { a: { call: Fail, with: x } }]
                      clean: [{ t: { try: [{ q: { wait: 1h } }], finally: [{ r: { wait: 20s } }] } }]
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], hub.error()["step"], ended_after(hub)) == ("perdure.Timeout", "slow", 25)


def test_timeouts_may_be_expressions(hub: Hub) -> None:
    """A time limit is evaluated once, when the step starts."""
    offer(hub)
    hub.manual = True
    hub.start('do: [{ a: { call: Echo, with: 1, timeout: "${ input }s" } }]', 3)
    hub.advance(3)
    assert hub.error()["type"] == "perdure.Timeout"


def test_a_limit_of_nothing_has_passed(hub: Hub) -> None:
    """``timeout: 0s`` passes before an answer can come."""
    offer(hub)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1, timeout: 0s } }]")
    hub.run()
    assert hub.error()["type"] == "perdure.Timeout"


def test_an_inner_limit_passes_first(hub: Hub) -> None:
    """Of two limits the one that passes first is the error, and can be caught between the two."""
    offer(hub)
    hub.start(
        """
        do:
          - outer:
              timeout: 10s
              do:
                - t:
                    try: [{ inner: { timeout: 5s, do: [{ pause: { wait: 1h } }] } }]
                    catch: [{ errors: [perdure.Timeout], do: [{ output: "${ error.step }" }] }]
          - return: ${ outer }
        """
    )
    hub.advance(60)
    assert hub.output() == "inner"


def test_a_limit_is_durable(hub: Hub) -> None:
    """A time limit counts on while nobody works."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1, timeout: 10s } }]")
    hub.run()
    hub.clock.now += 3600 * SECOND
    hub.crash()
    hub.run()
    assert hub.error()["type"] == "perdure.Timeout"
    assert any(isinstance(event, TaskCanceled) for event in hub.events())
