"""What the model says of steps that leave the instance, of sagas and locks, and of the header's services."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.dsl import model
from perdure.dsl.duration import parse_duration
from perdure.dsl.expr.ast import Const, Embedded, Text
from perdure.dsl.rules.places import all_steps
from tests.dsl.documents import codes, given_workflow, loaded

HEADER = "dsl: perdure/1\nname: case\nversion: 1.0.0\n"


def only(body: str, header: str = "") -> Any:
    """The first step of a workflow."""
    return given_workflow(body, header).body.steps[0]


def test_options_of_a_call() -> None:
    """Where and how a call is run is kept."""
    step = only(
        "  - a: { call: A, heartbeat: 10s, queue: q, priority: 2, fairness_key: k,"
        " concurrency: { key: '${ input.m }', limit: 3 } }\n"
    )
    assert (step.heartbeat, step.queue, step.priority) == (parse_duration("10s"), "q", 2)
    assert (step.fairness_key, step.concurrency.limit) == (Const("k"), 3)
    assert isinstance(step.concurrency.key, Embedded)


def test_the_default_queue() -> None:
    """The header's queue is that of calls that name none."""
    header = "defaults: { call: { queue: slow } }\n"
    assert only("  - a: { call: A }\n", header).queue == "slow"
    assert only("  - a: { call: A, queue: fast }\n", header).queue == "fast"


def test_defaults_of_a_child() -> None:
    """What a call of a workflow does not say is filled in."""
    step = only("  - a: { call_workflow: other }\n")
    assert (step.if_exists, step.on_parent_close, step.version) == ("reject", "terminate", None)
    assert (step.instance_id, step.arguments, step.child_tags, step.retry) == (None, None, (), None)


def test_tags_of_a_child_are_the_childs() -> None:
    """They may hold expressions, and the step itself has none."""
    step = only("  - a: { call_workflow: other, tags: { b: '${ input.b }', a: x } }\n")
    assert [(name, type(value)) for name, value in step.child_tags] == [("b", Embedded), ("a", Const)]
    assert step.tags == ()


def test_a_started_workflow() -> None:
    """The time to start at is an expression."""
    step = only("  - a: { start_workflow: other, if_exists: reuse, start_at: '${ now() }', with: 1 }\n")
    assert (step.workflow, step.if_exists, step.arguments) == ("other", "reuse", Const(1))
    assert isinstance(step.start_at, Embedded)


@pytest.mark.parametrize(
    ("written", "type_", "key"),
    [
        ("Account@a", "Account", Const("a")),
        ("Account@a@b", "Account", Const("a@b")),
        ("My.Type-2@${ input.id }", "My.Type-2", Embedded),
        ("Account@x-${ input.id }", "Account", Text),
    ],
)
def test_targets(written: str, type_: str, key: Any) -> None:
    """An entity is a constant type and a key that may be computed."""
    found = only(f'  - a: {{ call_entity: "{written}", op: get }}\n').entity
    assert found.type == type_
    assert isinstance(found.key, key) if isinstance(key, type) else found.key == key


def test_a_mistake_in_a_key_is_pointed_at() -> None:
    """Positions in the key of a target are those of the file."""
    found = given_errors('  - a: { call_entity: "Account@${ nowhere }", op: get }\n')
    assert found == [("PD301", (5, 35))]


def given_errors(body: str) -> list[tuple[str, tuple[int, int]]]:
    """Codes and places of what is wrong with these steps."""
    return [
        (each.code, (each.span.start.line, each.span.start.column))
        for each in loaded(f"{HEADER}do:\n{body}").diagnostics
    ]


def test_statements_to_others() -> None:
    """Events, signals and cancellations keep whom they are for."""
    sent, signaled, canceled = given_workflow(
        "  - send_event: { to: '${ input.id }', event: Hint, with: 1 }\n"
        "  - signal_entity: { entity: A@b, op: add, at: '${ now() }' }\n"
        "  - cancel: { instance: x, reason: y }\n"
    ).body.steps
    assert isinstance(sent, model.SendEvent)
    assert (sent.event, sent.arguments, sent.path) == ("Hint", Const(1), "do/0")
    assert isinstance(signaled, model.SignalEntity)
    assert (signaled.entity.type, signaled.operation, type(signaled.at)) == ("A", "add", Embedded)
    assert isinstance(canceled, model.Cancel)
    assert (canceled.instance, canceled.reason) == (Const("x"), Const("y"))


SAGA = """\
  - trip:
      saga:
        - flight: { call: Book, compensate: { call: Cancel, with: "${ flight }" } }
        - room:
            call_workflow: book
            compensate: { on: attempted, call_workflow: undo, retry: { attempts: 3 } }
        - seat: { call_entity: Bus@a, op: take, compensate: { call_entity: Bus@a, op: give, timeout: 5s } }
      compensation: { on_failure: stop, retry: { attempts: 9 } }
"""


def test_compensations() -> None:
    """What undoes a step is a step without a name at the step's path, with what it says itself."""
    flight, room, seat = (step.compensate for step in only(SAGA).body.steps)
    assert (flight.on, type(flight.action), flight.retry) == ("success", model.Call, None)
    assert (room.on, room.retry.attempts, room.action.retry) == ("attempted", 3, None)
    assert (seat.action.operation, seat.action.timeout) == ("give", parse_duration("5s"))
    assert flight.action.path == "do/0/trip/saga/0/flight/compensate"
    assert flight.action.name is None


def test_compensations_are_steps() -> None:
    """Whoever looks at all calls finds those that undo."""
    found = [step.path for step in all_steps(given_workflow(SAGA).body)]
    assert found[1:3] == ["do/0/trip/saga/0/flight", "do/0/trip/saga/0/flight/compensate"]
    assert len(found) == 7


def test_the_retries_of_calls_are_not_those_of_compensations() -> None:
    """Without a policy of its own an undo has the saga's; timeout and queue are the header's."""
    header = "defaults: { call: { timeout: 1m, retry: { attempts: 2 }, queue: slow } }\n"
    undo = only(SAGA, header).body.steps[0].compensate
    assert (undo.retry, undo.action.retry) == (None, None)
    assert (undo.action.timeout, undo.action.queue) == (parse_duration("1m"), "slow")


def test_a_saga() -> None:
    """How it undoes stands beside the block."""
    saga = only(SAGA)
    assert (saga.on_failure, saga.retry.attempts, saga.timeout) == ("stop", 9, None)
    assert only(SAGA.replace("      compensation", "      # ")).on_failure == "continue"


def test_locks() -> None:
    """Targets are written as a list, or computed as a whole."""
    written = only("  - a: { lock_entities: [A@a, A@b], timeout: 3s, do: [ { b: { call: B } } ] }\n")
    assert [target.key for target in written.entities] == [Const("a"), Const("b")]
    assert (written.timeout, written.body.steps[0].path) == (parse_duration("3s"), "do/0/a/do/0/b")
    computed = only("  - a: { lock_entities: '${ input.all }', do: [ { b: { call: B } } ] }\n")
    assert isinstance(computed.entities, Embedded)


def test_correlation_and_checkpoints() -> None:
    """Both are kept with their steps."""
    waited = only("  - a: { wait_for_event: E, timeout: 1h, correlate: '${ event.id == input.id }' }\n")
    assert isinstance(waited.correlate, Embedded)
    loop = only(
        "  - a: { while: '${ input.x }', limit: 9, checkpoint_every: 3, do: [ { b: { call: B } } ] }\n"
    )
    assert loop.checkpoint_every == 3


@pytest.mark.parametrize(("written", "version"), [("", "latest"), (", version: pinned", "pinned")])
def test_the_version_to_continue_with(written: str, version: str) -> None:
    """The newest is the default."""
    assert only(f"  - continue_as_new: {{ input: 1{written} }}\n").version == version


@pytest.mark.parametrize(
    ("header", "written", "chunk"),
    [("", "", "auto"), ("", ", chunk: 500", 500), ("", ", chunk: off", "off")],
)
def test_chunks(header: str, written: str, chunk: object) -> None:
    """A fan-out chunks itself unless it says otherwise."""
    step = only(f"  - a: {{ fan_out: [1]{written}, do: [ {{ b: {{ call: B }} }} ] }}\n", header)
    assert step.chunk == chunk


def test_the_default_chunk() -> None:
    """The header's holds for fan-outs that do not say otherwise."""
    header = "defaults: { fan_out: { chunk: 50 } }\n"
    assert only("  - a: { fan_out: [1], do: [ { b: { call: B } } ] }\n", header).chunk == 50


def test_the_header_of_a_service() -> None:
    """Limits, retention, schedules and queries have their defaults filled in."""
    workflow = given_workflow(
        "  - return: 1\n",
        "tags: { a: '${ input.a }' }\n"
        "timeout: 30d\n"
        "concurrency: { key: '${ input.c }', limit: 5 }\n"
        "limits: { history_events: 100 }\n"
        "retention: { failed: 3d }\n"
        "queries: { progress: '${ workflow.name }' }\n"
        "schedule: [ { cron: '0 2 * * *' } ]\n",
    )
    assert workflow.timeout == parse_duration("30d")
    assert workflow.limits == model.Limits(history_events=100, on_exceed="suspend")
    assert workflow.retention == model.Retention(completed=None, failed=parse_duration("3d"), generations=1)
    assert workflow.concurrency is not None
    assert workflow.concurrency.limit == 5
    assert [query.name for query in workflow.queries] == ["progress"]
    (schedule,) = workflow.schedule
    assert (schedule.timezone, schedule.overlap, schedule.catch_up, schedule.input) == (
        "UTC",
        "skip",
        None,
        None,
    )


def test_names_of_a_compensation_are_there_only_in_it() -> None:
    """The step's own name is no name for its arguments."""
    body = (
        "  - s: { saga: [ { a: { call: A, with: '${ a }', compensate: { call: B, with: '${ a }' } } } ] }\n"
    )
    assert codes(f"{HEADER}do:\n{body}") == ["PD301"]
