"""``retry``: which errors, how often, after which waits, and where it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.engine import keys
from perdure.engine.activities import ActivityError, RetryAfter
from perdure.engine.codec import whole_events
from perdure.engine.events import TaskCanceled, TimerCreated
from perdure.engine.retry import MAX_DELAY, backoff
from tests.engine.driver import SECOND, START, Hub
from tests.engine.functions import flaky, offer


def waits(hub: Hub) -> list[float]:
    """The seconds of each wait between attempts, in order."""
    times = ((row.at, event) for row in hub.rows() for event in whole_events(row.events, row.values))
    return [
        (event.fire_at - at) / SECOND
        for at, event in times
        if isinstance(event, TimerCreated) and event.purpose == "retry"
    ]


def raising(*errors: Exception) -> Callable[[], str]:
    """A function that raises these, one a call, before it returns."""
    left = list(errors)

    def run() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return run


def test_without_retry_there_is_one_attempt(hub: Hub) -> None:
    """The first error of a call without ``retry`` fails the step."""
    hub.activity("Work", flaky(1))
    hub.start("do: [{ a: { call: Work } }]")
    hub.advance(3600)
    assert (hub.error()["type"], hub.error()["attempt"], len(hub.calls)) == ("ConnectionError", 1, 1)


def test_attempts_count_the_first_try(hub: Hub) -> None:
    """``attempts: 3`` is three tries in all; the error tells how many were made."""
    hub.activity("Work", flaky(9))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 3 } } }]")
    hub.advance(3600)
    assert (hub.error()["attempt"], [task.attempt for task in hub.calls]) == (3, [1, 2, 3])


def test_the_last_attempt_may_succeed(hub: Hub) -> None:
    """A step that succeeds at last has its value."""
    hub.activity("Work", flaky(2))
    hub.start('do: [{ a: { call: Work, retry: { attempts: 3 } } }, { return: "${ a }" }]')
    hub.advance(3600)
    assert hub.output() == "done"


def test_defaults_of_a_policy(hub: Hub) -> None:
    """Delay 1 s, backoff 2, no jitter, at most an hour."""
    hub.activity("Work", flaky(14))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 15 } } }]")
    hub.advance(100_000)
    assert waits(hub) == [2**n for n in range(12)] + [3600, 3600]


def test_the_wait_grows_up_to_max_delay(hub: Hub) -> None:
    """The wait after the n-th failed try is min(max_delay, delay * backoff^(n-1))."""
    hub.activity("Work", flaky(4))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 5, delay: 2s, backoff: 3, max_delay: 20s } } }]")
    hub.advance(3600)
    assert waits(hub) == [2, 6, 18, 20]


def test_a_delay_above_an_hour_is_its_own_max_delay(hub: Hub) -> None:
    """Without ``max_delay`` it is the larger of an hour and the delay."""
    hub.activity("Work", flaky(2))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 3, delay: 2h } } }]")
    hub.advance(36_000)
    assert waits(hub) == [7200, 7200]


def test_a_computed_delay_above_an_hour_is_its_own_max_delay(hub: Hub) -> None:
    """The same when the delay is an expression."""
    hub.activity("Work", flaky(1))
    hub.start('do: [{ a: { call: Work, retry: { attempts: 3, delay: "${ input }h" } } }]', 2)
    hub.advance(36_000)
    assert waits(hub) == [7200]


def test_no_delay_means_at_once(hub: Hub) -> None:
    """With ``delay: 0s`` the next attempt needs no timer."""
    hub.activity("Work", flaky(2))
    hub.start('do: [{ a: { call: Work, retry: { attempts: 3, delay: 0s } } }, { return: "${ a }" }]')
    hub.run()
    assert (hub.output(), waits(hub)) == ("done", [])


def test_attempts_may_be_an_expression(hub: Hub) -> None:
    """Counts are evaluated once, when the step starts."""
    hub.activity("Work", flaky(9))
    hub.start('do: [{ a: { call: Work, retry: { attempts: "${ input }", delay: 0s } } }]', 4)
    hub.run()
    assert len(hub.calls) == 4


def test_jitter_draws_between_nothing_and_the_wait(hub: Hub) -> None:
    """Full jitter stays below the wait it replaces, and not all draws are alike."""
    hub.activity("Work", flaky(6))
    policy = "{ attempts: 7, delay: 100s, backoff: 1, jitter: full }"
    hub.start(f"do: [{{ a: {{ call: Work, retry: {policy} }} }}]")
    hub.advance(3600)
    drawn = waits(hub)
    assert all(0 <= each <= 100 for each in drawn)
    assert len(set(drawn)) == len(drawn) == 6


@given(st.integers(1, 60), st.integers(0, 10**9), st.floats(1, 10), st.integers(0, 10**14), st.floats(0, 1))
def test_a_jittered_wait_is_never_longer(
    attempt: int, delay: int, factor: float, longest: int, draw: float
) -> None:
    """A draw shortens the wait, whose bounds are nothing and ``max_delay``."""
    plain = backoff(attempt, delay=delay, factor=factor, max_delay=longest, draw=None)
    drawn = backoff(attempt, delay=delay, factor=factor, max_delay=longest, draw=draw)
    assert 0 <= drawn <= plain <= min(longest, MAX_DELAY)


def test_a_wait_that_overflows_is_the_longest() -> None:
    """Many attempts of a steep policy wait ``max_delay``, not an infinity."""
    assert backoff(5000, delay=SECOND, factor=10.0, max_delay=60 * SECOND, draw=None) == 60 * SECOND


def test_a_draw_depends_on_the_attempt_and_the_step_alone() -> None:
    """Jitter is the same wherever it is computed again."""
    assert keys.fraction("seed", "do/0/a", 1) == keys.fraction("seed", "do/0/a", 1)
    assert keys.fraction("seed", "do/0/a", 1) != keys.fraction("seed", "do/0/a", 2)


@pytest.mark.parametrize(
    ("policy", "tries"),
    [
        ("on: [KeyError]", 1),
        ("on: [ConnectionError]", 3),
        ("on: ['*']", 3),
        ("except: [ConnectionError]", 1),
        ("except: [KeyError]", 3),
        ("except: ['*']", 1),
        ("on: [Exception]", 1),
        ('when: "${ error.attempt < 2 }"', 2),
        ("when: \"${ error.type == 'ConnectionError' }\"", 3),
        ("on: [ConnectionError], when: \"${ false || error.message == '' }\"", 1),
    ],
)
def test_which_errors_are_retried(hub: Hub, policy: str, tries: int) -> None:
    """An error must match ``on`` by exact name, not match ``except``, and ``when`` must hold."""
    hub.activity("Work", flaky(9))
    hub.start(f"do: [{{ a: {{ call: Work, retry: {{ attempts: 3, delay: 0s, {policy} }} }} }}]")
    hub.run()
    assert len(hub.calls) == tries


def test_when_that_fails_is_the_error(hub: Hub) -> None:
    """A ``when`` that cannot be evaluated ends the retries with ``perdure.Expression``."""
    hub.activity("Work", flaky(9))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 3, when: '${ error.data.no }' } } }]")
    hub.run()
    assert (hub.error()["type"], len(hub.calls)) == ("perdure.Expression", 1)


def test_an_activity_may_forbid_retries(hub: Hub) -> None:
    """A non-retryable error ends the step at its first attempt."""
    hub.activity("Work", raising(ActivityError("no", retryable=False)))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 3 } } }]")
    hub.advance(60)
    assert (hub.error()["type"], len(hub.calls)) == ("ActivityError", 1)


def test_a_declared_error_may_forbid_retries(hub: Hub) -> None:
    """``retryable: false`` in the header stops retries, whoever raises the error."""
    hub.activity("Work", raising(ActivityError("no", type="OutOfStock")))
    hub.start(
        """
        errors: { OutOfStock: { retryable: false } }
        do: [{ a: { call: Work, retry: { attempts: 3 } } }]
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], len(hub.calls)) == ("OutOfStock", 1)


def test_a_raised_declared_error_is_not_retried_by_a_block(hub: Hub) -> None:
    """``raise`` of an error with ``retryable: false`` leaves the block at once."""
    offer(hub)
    hub.start(
        """
        errors: { OutOfStock: { retryable: false } }
        do:
          - block:
              retry: { attempts: 3 }
              do:
                - a: { call: Echo, with: 1 }
                - if: ${ a == 1 }
                  then: [{ raise: { error: OutOfStock } }]
        """
    )
    hub.advance(60)
    assert (hub.error()["type"], len(hub.calls)) == ("OutOfStock", 1)


def test_retry_after_replaces_the_wait_and_counts_an_attempt(hub: Hub) -> None:
    """``RetryAfter(30)`` waits 30 s, whatever the policy says."""
    hub.activity("Work", raising(RetryAfter(30), KeyError("x"), RetryAfter(0.5)))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 4, delay: 5s, backoff: 1 } } }]")
    hub.advance(3600)
    assert waits(hub) == [30, 5, 0.5]


def test_retry_after_does_not_add_attempts(hub: Hub) -> None:
    """When the attempts are used up, ``RetryAfter`` is the step's error."""
    hub.activity("Work", raising(*[RetryAfter(1) for _ in range(9)]))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 3 } } }]")
    hub.advance(60)
    assert (hub.error()["type"], len(hub.calls)) == ("RetryAfter", 3)


def test_retry_after_an_absurd_time_waits_a_year_at_most(hub: Hub) -> None:
    """A wait that no clock can show is cut to the longest there is."""
    hub.activity("Work", raising(RetryAfter(1e15)))
    hub.start("do: [{ a: { call: Work, retry: { attempts: 2 } } }]")
    hub.run()
    assert waits(hub) == [MAX_DELAY / SECOND]
    hub.terminate()
    hub.run()


def test_a_timed_out_attempt_is_retried(hub: Hub) -> None:
    """``timeout`` bounds each attempt; a ``perdure.Timeout`` is retried like any error."""
    hub.activity("Work", flaky(0))
    hub.manual = True
    hub.start(
        'do: [{ a: { call: Work, timeout: 10s, retry: { attempts: 2, delay: 5s } } }, { return: "${ a }" }]'
    )
    hub.advance(14)
    assert [event.scheduled_seq for event in hub.events() if isinstance(event, TaskCanceled)] == [1 + 1]
    hub.advance(1)
    hub.finish(hub.open[-1])
    hub.run()
    assert hub.output() == "done"


def test_timeouts_of_all_attempts_are_the_error(hub: Hub) -> None:
    """When every attempt times out the step fails with ``perdure.Timeout``."""
    hub.activity("Work", flaky(0))
    hub.manual = True
    hub.start("do: [{ a: { call: Work, timeout: 10s, retry: { attempts: 2, delay: 5s } } }]")
    hub.advance(60)
    error = hub.error()
    assert (error["type"], error["step"], error["attempt"]) == ("perdure.Timeout", "a", 2)


def test_a_late_result_of_a_timed_out_attempt_is_discarded(hub: Hub) -> None:
    """The result of an attempt that timed out is never applied to the next one."""
    hub.activity("Work", flaky(0))
    hub.manual = True
    hub.start(
        'do: [{ a: { call: Work, timeout: 10s, retry: { attempts: 2, delay: 0s } } }, { return: "${ a }" }]'
    )
    hub.advance(11)
    hub.finish(hub.open[0])
    hub.run()
    assert (hub.status(), hub.owner.superseded) == ("Running", 1)
    hub.advance(60)
    assert hub.status() == "Failed"


def test_the_deadline_is_final(hub: Hub) -> None:
    """A passed ``deadline`` is a ``perdure.Timeout`` that no retry policy retries."""
    hub.activity("Work", flaky(0))
    hub.manual = True
    hub.start("do: [{ a: { call: Work, deadline: 10s, retry: { attempts: 5 } } }]")
    hub.advance(10)
    assert (hub.error()["type"], len(hub.calls)) == ("perdure.Timeout", 1)


def test_the_deadline_is_final_during_a_wait_between_attempts(hub: Hub) -> None:
    """A deadline that passes in a back-off ends the step then, after the attempts that were made."""
    hub.activity("Work", flaky(9))
    hub.start("do: [{ a: { call: Work, deadline: 10s, retry: { attempts: 5, delay: 7s, backoff: 1 } } }]")
    hub.advance(10)
    error = hub.error()
    assert (error["type"], error["attempt"], len(hub.calls)) == ("perdure.Timeout", 2, 2)
    assert hub.instance().ended_at == START + 10 * SECOND


def test_the_deadline_spans_attempts(hub: Hub) -> None:
    """``timeout`` starts anew with each attempt, ``deadline`` does not."""
    hub.activity("Work", flaky(0))
    hub.manual = True
    hub.start("do: [{ a: { call: Work, timeout: 4s, deadline: 10s, retry: { attempts: 9, delay: 0s } } }]")
    hub.advance(60)
    assert (len(hub.calls), hub.instance().ended_at) == (3, START + 10 * SECOND)


def test_a_block_is_retried_as_a_unit(hub: Hub) -> None:
    """``retry`` on ``do`` runs all its steps again."""
    offer(hub)
    hub.activity("Work", flaky(1))
    hub.start(
        """
        do:
          - block:
              retry: { attempts: 2, delay: 1m }
              do:
                - a: { call: Echo, with: 1 }
                - b: { call: Work }
              output: ${ [a, b] }
          - return: ${ block }
        """
    )
    hub.advance(60)
    assert (hub.output(), [task.name for task in hub.calls]) == ([1, "done"], ["Echo", "Work"] * 2)


def test_a_try_is_retried_before_its_clauses(hub: Hub) -> None:
    """``retry`` on ``try`` acts on its block; ``catch`` sees the last error, ``finally`` runs once."""
    offer(hub)
    hub.activity("Work", flaky(9))
    hub.start(
        """
        do:
          - block:
              retry: { attempts: 3, delay: 1s }
              try: [{ a: { call: Work } }]
              catch: [{ do: [{ output: "${ error.message }" }] }]
              finally: [{ z: { call: Echo, with: end } }]
          - return: ${ block }
        """
    )
    hub.advance(60)
    assert (hub.output(), [task.name for task in hub.calls]) == ("6 more", ["Work"] * 3 + ["Echo"])


def test_a_jump_out_of_a_retried_block_is_no_error(hub: Hub) -> None:
    """``break`` and ``return`` leave a block with ``retry`` and time limits at once."""
    hub.start(
        """
        do:
          - rounds:
              for_each: [1, 2, 3]
              do:
                - block:
                    retry: { attempts: 3 }
                    timeout: 1h
                    deadline: 2h
                    do:
                      - if: ${ item == 2 }
                        then: [break]
                      - v: { value: "${ item }" }
          - return: ${ rounds }
        """
    )
    hub.run()
    assert len(hub.output()) == 1


def test_an_expression_is_not_retried(hub: Hub) -> None:
    """What an expression cannot do once it cannot do again."""
    hub.start("do: [{ block: { retry: { attempts: 5 }, do: [{ v: { value: '${ input.no }' } }] } }]", {})
    hub.run()
    assert (hub.error()["type"], waits(hub)) == ("perdure.Expression", [])


def test_waits_survive_a_crash(hub: Hub) -> None:
    """The wait between attempts is a durable timer."""
    hub.activity("Work", flaky(1))
    hub.start('do: [{ a: { call: Work, retry: { attempts: 2, delay: 1h } } }, { return: "${ a }" }]')
    hub.advance(1800)
    hub.crash()
    hub.advance(1799)
    assert hub.status() == "Running"
    hub.advance(1)
    assert hub.output() == "done"
