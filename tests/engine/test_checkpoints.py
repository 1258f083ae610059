"""``checkpoint_every``: a loop goes through generations, and nothing of it is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from perdure.compiler import ir
from perdure.engine.client import Client
from perdure.engine.events import ContinueAsNew, ExecutionStarted
from perdure.engine.linked import link
from tests.engine.driver import SECOND, START, Hub, compiled
from tests.engine.functions import echo, flaky, offer

COUNT = """
vars: { total: 0 }
do:
  - rounds:
      until: ${ vars.total >= input.until }
      limit: 2000
      checkpoint_every: 10
      at: n
      do:
        - one: { call: Echo, with: "${ n }" }
        - set: { total: "${ vars.total + 1 }" }
        - output: ${ one }
  - return: ${ [rounds, vars.total, workflow.generation] }
"""


def given(hub: Hub, id: str = "i") -> ExecutionStarted:
    """The first event of the present generation."""
    first = hub.events(id)[0]
    assert isinstance(first, ExecutionStarted)
    return first


def test_a_long_loop_has_short_histories(hub: Hub) -> None:
    """A thousand iterations: each generation has the events of ten, and the counter goes on."""
    offer(hub)
    longest = 0
    hub.start(COUNT, {"until": 1000})
    while not hub.instance().status.ended:
        hub.round()
        longest = max(longest, sum(row.next_seq - row.first_seq for row in hub.rows()))
    assert hub.output() == [999, 1000, 100]
    assert longest <= 22
    assert [task.input for task in hub.calls] == list(range(1000))
    assert len({task.key for task in hub.calls}) == 1000


def test_a_generation_begins_with_what_the_last_one_had(hub: Hub) -> None:
    """The input of the instance, the variables, the counter; the history shows where it goes on."""
    offer(hub)
    hub.manual = True
    hub.start(COUNT, {"until": 11})
    hub.run()
    for _ in range(10):
        hub.finish(hub.open[0])
        hub.run()
    assert hub.instance().generation == 2
    started = given(hub)
    assert (started.input, started.generation) == ({"until": 11}, 2)
    assert started.resume is not None
    assert started.resume.variables == {"total": 10}
    last = hub.events(generation=1)[-1]
    assert isinstance(last, ContinueAsNew)
    assert (last.checkpoint, last.input) == (True, None)


@pytest.mark.parametrize("kind", ["while", "until"])
def test_both_loops_have_checkpoints(hub: Hub, kind: str) -> None:
    """``while`` is tested again in the new generation, ``until`` before the checkpoint."""
    offer(hub)
    condition = "vars.n < 4" if kind == "while" else "vars.n >= 4"
    hub.start(
        f"""
        vars: {{ n: 0 }}
        do:
          - r:
              {kind}: ${{ {condition} }}
              limit: 9
              checkpoint_every: 1
              do: [{{ a: {{ call: Echo, with: x }} }}, {{ set: {{ n: "${{ vars.n + 1 }}" }} }}]
          - return: ${{ [vars.n, r] }}
        """
    )
    hub.run()
    assert hub.output() == [4, "x"]
    assert hub.instance().generation == (5 if kind == "while" else 4)


def test_the_limit_counts_over_all_generations(hub: Hub) -> None:
    """One iteration too many fails, wherever it is."""
    offer(hub)
    hub.start(COUNT.replace("limit: 2000", "limit: 25"), {"until": 1000})
    hub.run()
    assert (hub.error()["type"], hub.instance().generation) == ("perdure.LimitExceeded", 3)
    assert len(hub.calls) == 25


def test_a_loop_that_ends_before_needs_no_checkpoint(hub: Hub) -> None:
    """``break`` leaves it in its generation."""
    offer(hub)
    hub.start(
        COUNT.replace(
            "        - output", '        - if: "${ n == 3 }"\n          then: [break]\n        - output'
        ),
        {"until": 1000},
    )
    hub.run()
    assert hub.output() == [2, 4, 1]


def test_events_that_nobody_took_are_carried(hub: Hub) -> None:
    """In order, over the generations."""
    hub.start(
        """
        vars: { got: [] }
        do:
          - r:
              until: ${ vars.got.size() == 5 }
              limit: 9
              checkpoint_every: 2
              do:
                - e: { wait_for_event: Go, timeout: never }
                - set: { got: "${ vars.got + [e] }" }
          - return: ${ vars.got }
        """
    )
    for number in range(5):
        hub.raise_event("Go", number)
    hub.raise_event("Other")
    hub.run()
    assert (hub.output(), hub.instance().generation) == ([0, 1, 2, 3, 4], 3)


def test_a_time_limit_goes_on_with_what_is_left(hub: Hub) -> None:
    """The loop's ``timeout`` is one, whatever the number of generations; a timer of it each."""
    hub.activity("Echo", echo)
    hub.start(
        """
        do:
          - r:
              timeout: 10m
              until: ${ input == 1 }
              limit: 99
              checkpoint_every: 1
              do: [{ w: { wait: 3m } }]
        """
    )
    hub.advance(599)
    assert (hub.status(), hub.instance().generation) == ("Running", 4)
    hub.crash()
    hub.advance(1)
    assert (hub.error()["type"], hub.error()["step"]) == ("perdure.Timeout", "r")
    assert hub.instance().ended_at == START + 600 * SECOND


def test_a_limit_of_all_attempts_goes_on_with_what_is_left(hub: Hub) -> None:
    """No document has one around a checkpoint; a Program may."""
    program = compiled(
        """
        do:
          - r: { timeout: 10m, until: "${ false }", limit: 99, checkpoint_every: 1, do: [ w: { wait: 3m } ] }
        """
    ).program
    code = tuple(
        replace(op, timeout=None, deadline=op.timeout) if isinstance(op, ir.EnterBound) else op
        for op in program.code
    )
    hub.start(link(replace(program, code=code)))
    hub.advance(599)
    assert (hub.status(), hub.instance().generation) == ("Running", 4)
    hub.advance(1)
    assert hub.error()["type"] == "perdure.Timeout"
    assert hub.instance().ended_at == START + 600 * SECOND


def test_a_loop_in_time_goes_on_behind_it(hub: Hub) -> None:
    """Its clock is stopped in the generation in which it ends."""
    hub.start(
        """
        vars: { n: 0 }
        do:
          - r:
              timeout: 10m
              until: ${ vars.n == 3 }
              limit: 99
              checkpoint_every: 1
              do: [{ w: { wait: 3m } }, { set: { n: "${ vars.n + 1 }" } }]
          - after: { wait: 1h }
          - return: ${ vars.n }
        """
    )
    hub.advance(540 + 3600)
    assert hub.output() == 3


def test_the_timeout_of_the_workflow_counts_on(hub: Hub) -> None:
    """Over generations that a checkpoint began as well."""
    hub.start(
        """
        timeout: 10m
        do:
          - r: { until: "${ input == 1 }", limit: 99, checkpoint_every: 1, do: [{ w: { wait: 3m } }] }
        """
    )
    hub.advance(600)
    assert (hub.error()["type"], hub.instance().ended_at) == ("perdure.Timeout", START + 600 * SECOND)


@pytest.mark.parametrize("seed", range(4))
def test_a_crash_anywhere_repeats_nothing(hub: Hub, seed: int) -> None:
    """A process that dies every few rounds: the same output, each iteration once."""
    offer(hub)
    hub.start(COUNT, {"until": 35})
    rounds = 0
    while not hub.instance().status.ended:
        hub.round()
        rounds += 1
        if rounds % (seed + 2) == 0:
            hub.crash()
    assert hub.output() == [34, 35, 4]
    assert len({task.key for task in hub.calls}) == 35


def test_keys_are_stable_within_an_iteration(hub: Hub) -> None:
    """A retry of a step keeps its key; every iteration has its own, in whichever generation it is."""
    hub.activity("Echo", flaky(2))
    hub.start(
        """
        do:
          - r:
              until: ${ n == 3 }
              at: n
              limit: 9
              checkpoint_every: 2
              do: [{ a: { call: Echo, retry: { attempts: 3, delay: 0s } } }]
        """
    )
    hub.run()
    assert hub.status() == "Completed"
    assert (len(hub.calls), len({task.key for task in hub.calls})) == (6, 4)


def test_suspended_at_a_checkpoint(hub: Hub) -> None:
    """A generation that begins suspended goes on when it is resumed."""
    offer(hub)
    hub.manual = True
    hub.start(COUNT.replace("checkpoint_every: 10", "checkpoint_every: 1"), {"until": 2})
    hub.run()
    hub.suspend()
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    hub.cancel("enough")
    hub.run()
    hub.resume()
    hub.run()
    assert (hub.status(), hub.instance().generation) == ("Canceled", 2)


def test_an_endless_loop_lets_others_go_first(hub: Hub) -> None:
    """A loop that waits for nothing can still be terminated."""
    hub.start(
        "do: [{ r: { while: '${ true }', limit: 1000000, checkpoint_every: 1, do: [{ v: { value: 1 } }] } }]"
    )
    for _ in range(3):
        hub.round()
    hub.terminate()
    hub.run(20)
    assert hub.status() == "Terminated"


def test_the_custom_status_stays(hub: Hub) -> None:
    """What was shown last is shown until something else is."""
    hub.start(
        """
        do:
          - set_custom_status: before
          - r: { until: "${ input == 1 }", limit: 99, checkpoint_every: 1, do: [{ w: { wait: 3m } }] }
        """
    )
    hub.advance(400)
    shown: Any = hub.instance().custom_status
    assert (hub.instance().generation, shown) == (3, '"before"')
    hub.terminate()
    hub.run()


def test_a_history_shows_where_it_goes_on(hub: Hub) -> None:
    """As a document that is plain data, a carried cancel included."""
    offer(hub)
    hub.manual = True
    hub.start(COUNT.replace("checkpoint_every: 10", "checkpoint_every: 1"), {"until": 5})
    hub.run()
    hub.suspend()
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    hub.cancel("enough")
    hub.resume()
    hub.run()
    shown = json.loads(json.dumps(Client(hub.store).history("i")["items"]))[0]
    assert (shown["type"], shown["resume"]["variables"]) == ("ExecutionStarted", {"total": 1})
    assert shown["canceled"]["reason"] == "enough"
