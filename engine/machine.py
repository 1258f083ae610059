"""The machine: what an orchestration does when it hears of something.

``Machine.step`` takes one received event, with its ``seq`` and the time of its turn, and returns what
the machine decides on hearing it. It is pure: it reads no clock, draws no random number and does no
I/O, so the same events always give the same decisions. ``compiler.ir`` describes fibers and scopes;
the instructions are in ``ops``, leaving a scope in ``scopes``, branches in ``forks``.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any
from weakref import ref

import msgspec

from perdure.compiler.runtime import EvalError, Timestamp
from perdure.engine import (
    by_hand,
    checkpoints,
    chunks,
    endings,
    forks,
    going_on,
    keys,
    limits,
    locks,
    ops,
    sagas,
    scopes,
    waits,
)
from perdure.engine.events import (
    Answer,
    ContinueAsNew,
    Decided,
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionForked,
    ExecutionMigrated,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    FanOutStopped,
    ParentAttached,
    Received,
    StepResolved,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    is_answer,
    is_beginning,
    is_result,
)
from perdure.engine.failure import CANCELED, EXPRESSION, LIMIT, SCHEMA, Failure, with_undone
from perdure.engine.linked import LinkedProgram
from perdure.engine.state import (
    Completion,
    Ending,
    Failed,
    Fiber,
    Question,
    Renewed,
    ReplyWait,
    Returned,
    State,
    TimerUse,
)

MAX_INSTRUCTIONS = 1_000_000
"""Instructions between two events; more is an endless computation."""
END_OF_TIME = 253_402_300_799_999_999
"""The last microsecond of the year 9999: no timer is due later, since no calendar here could show it."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a ``log`` statement says, for whoever writes the log once the turn is committed."""

    level: str
    message: str
    fields: Any
    path: str


class Environment:
    """What expressions read besides slots: ``input``, ``vars``, ``workflow``, the time and ids."""

    __slots__ = ("_machine", "input", "now_us", "vars", "workflow")

    def __init__(self, machine: Machine) -> None:
        # Weakly: what an instance holds is freed when it is forgotten, not when garbage is looked for.
        self._machine = ref(machine)
        self.input: Any = None
        self.vars: dict[str, Any] = {}
        self.workflow: dict[str, Any] = {}
        self.now_us = 0

    def uuid(self, label: str) -> str:
        """The UUID of this label at the step that is being evaluated."""
        machine = self._machine()
        assert machine is not None, "whose expression is evaluated is there"
        return keys.uuid5(machine.started.key_seed, sagas.identity(machine, machine.current_path()), label)


def workflow_value(instance_id: str, started: ExecutionStarted, at: int) -> dict[str, Any]:
    """What ``workflow`` is in the expressions of a generation that began at ``at``."""
    return {
        "instance_id": instance_id,
        "name": started.name,
        "version": started.version,
        "digest": started.digest,
        "generation": started.generation,
        "parent_id": started.parent_id,
        "started_at": Timestamp(at * 1000),
        "tags": started.tags,
    }


class Machine:
    """One generation of one instance, in memory."""

    def __init__(self, program: LinkedProgram, instance_id: str) -> None:
        self.program = program
        self.instance_id = instance_id
        self.state = State()
        self.env = Environment(self)
        self.lost_branches: list[Failure] = []
        """Errors that branches have ended with: a rewind looks for what they come from."""
        self.logs: list[LogLine] = []
        """Lines that the last step wrote."""
        self.subscribed: list[int] = []
        """Numbers of subscriptions that the last step has made, or needs again."""
        self.unsubscribed: list[int] = []
        """Numbers of those that it has ended."""
        self.given_back = False
        """Whether a canceled wait has put events back into the buffer, for which others may wait."""
        self.started: ExecutionStarted
        self.began_at = 0
        """When this generation began."""
        self._decided: list[Decided] = []
        self._seq = 0
        self._budget = 0
        self._reserve = 0
        self._current: Fiber

    def step(self, event: Received, seq: int, at: int) -> list[Decided]:
        """Hear of one event; returns the decisions, which have the ``seq`` that follow the event's.

        ``at`` is the turn's time in microseconds since 1970 UTC. An event that nothing waits for (a
        second result, the firing of a canceled timer) changes nothing; ``expects`` tells beforehand.
        """
        self.env.now_us = at
        self._decided, self.logs, self._seq = [], [], seq
        self.subscribed, self.unsubscribed = [], []
        self._budget = self._reserve = MAX_INSTRUCTIONS
        if not self.state.ended:
            self._receive(event)
            limits.watch(self, self._events)
            self._run()
        return self._decided

    @property
    def _events(self) -> int:
        """How many events the history has now."""
        return self._seq + 1 + len(self._decided)

    def expects(self, event: Received) -> bool:
        """Whether an event is not one too many: a second start, or a second answer to a decision."""
        state = self.state
        if not is_answer(event):
            if type(event) is StepResolved:
                return by_hand.problem(self, event) is None
            return not state.ended and not (state.begun and is_beginning(event))
        if event.scheduled_seq not in self._open(event):
            return False
        return not state.held or all(
            not is_answer(held) or held.scheduled_seq != event.scheduled_seq for held in state.held
        )

    def _open(self, answer: Answer) -> Container[int]:
        """What is open of the kind that an answer is for."""
        if isinstance(answer, TimerFired):
            return self.state.timers
        return self.state.tasks if is_result(answer) else self.state.questions

    # -- what instructions call -------------------------------------------------------------------

    def decide(self, decision: Decided) -> int:
        """Add a decision; returns its ``seq``."""
        self._decided.append(decision)
        return self._seq + len(self._decided)

    def start_timer(self, delay: int, use: TimerUse, path: str) -> int:
        """Wake ``use.fiber`` after ``delay`` microseconds; returns the timer's ``seq``."""
        fire_at = min(self.env.now_us + max(delay, 0), END_OF_TIME)
        purpose = "timeout" if use.purpose in {"event", "workflow"} else use.purpose
        seq = self.decide(TimerCreated(fire_at=fire_at, purpose=purpose, path=path))
        self.state.timers[seq] = TimerUse(use.fiber, use.purpose, use.depth, fire_at, delay, path)
        return seq

    def cancel_timer(self, seq: int | None) -> None:
        """Forget a timer that still runs; None is no timer."""
        if seq is not None:
            del self.state.timers[seq]
            if not self.answered(seq):
                self.decide(TimerCanceled(scheduled_seq=seq))

    def is_held(self, seq: int) -> bool:
        """Whether the answer to a decision came while suspended, and is not acted on yet."""
        return any(is_answer(each) and each.scheduled_seq == seq for each in self.state.held)

    def answered(self, seq: int) -> bool:
        """Whether the answer to a decision that nobody waits for any more came while suspended.

        It is in the history, so there is nothing to cancel, and it must not be acted on.
        """
        held = self.state.held
        self.state.held = [each for each in held if not is_answer(each) or each.scheduled_seq != seq]
        return len(self.state.held) < len(held)

    def ask(self, fiber: Fiber, decision: Decided, instance: str, on_close: str = "") -> None:
        """Add a decision that another instance answers, and let the fiber wait for it."""
        seq = self.decide(decision)
        self.state.questions[seq] = Question(fiber.id, instance, on_close)
        fiber.wait = ReplyWait(seq=seq)

    def start_fiber(self, pc: int, frame: dict[str, Any], group: int | None, branch: int) -> Fiber:
        """A new fiber, last in the queue."""
        fiber = self.waiting_fiber(pc, frame, group, branch)
        self.state.ready.append(fiber.id)
        return fiber

    def waiting_fiber(self, pc: int, frame: dict[str, Any], group: int | None, branch: int) -> Fiber:
        """A new fiber that does not run by itself."""
        fiber = Fiber(id=self.state.next_fiber, pc=pc, frame=frame, group=group, branch=branch)
        self.state.next_fiber += 1
        self.state.fibers[fiber.id] = fiber
        return fiber

    def resume(self, fiber: Fiber, failure: Failure | None = None) -> None:
        """The fiber waits no more; it runs in its turn, and raises ``failure`` then."""
        fiber.wait = None
        fiber.failure = failure
        self.state.ready.append(fiber.id)

    def cancel(self, fiber: Fiber) -> None:
        """Raise ``perdure.Canceled`` where the fiber is, unless a ``finally`` there has to end first."""
        if not scopes.canceled(fiber, len(fiber.scopes)) or forks.cancel_branches(self, fiber):
            return
        if fiber.wait is None:
            undone = None if fiber.failure is None else fiber.failure.compensation
            fiber.failure = with_undone(self.cancellation(fiber), undone)
        else:
            waits.withdraw(self, fiber)
            self.resume(fiber, self.cancellation(fiber))

    def path(self, fiber: Fiber, step: int) -> str:
        """A step's path with the keys of the items and iterations that the fiber is in."""
        parts = self.program.program.steps[step].path
        if len(parts) == 1:
            return parts[0]
        frame = fiber.frame
        return "".join(
            f"[{keys.path_segment(str(frame.get(part)))}]" if index % 2 else part
            for index, part in enumerate(parts)
        )

    def focus(self, fiber: Fiber) -> None:
        """Expressions are evaluated for this fiber from here on."""
        self._current = fiber

    def current_path(self) -> str:
        """The path of the step whose expression is evaluated."""
        return self.path(self._current, self.op(self._current).step)

    def op(self, fiber: Fiber) -> Any:
        """The instruction that the fiber runs, waits in or was stopped at."""
        return self.program.ops[fiber.pc - 1]

    def failure(self, fiber: Fiber, kind: str, message: str, data: Any = None) -> Failure:
        """An error of the engine's own, at the step where the fiber is. Expressions are not retried."""
        step = self.op(fiber).step
        return Failure(
            type=kind,
            message=message,
            data=data,
            step=self.program.program.steps[step].name,
            path=self.path(fiber, step),
            retryable=kind != EXPRESSION,
        )

    def cancellation(self, fiber: Fiber) -> Failure:
        """What is raised where a fiber is that nobody needs any more."""
        return self.failure(fiber, CANCELED, endings.said(self))

    def expression_failure(self, fiber: Fiber, error: EvalError) -> Failure:
        """An expression that could not be evaluated, with its place in the file."""
        program = self.program.program
        step = program.steps[self.op(fiber).step]
        line, column = error.position or (step.line, step.column)
        return self.failure(fiber, EXPRESSION, f"{program.file}:{line}:{column}: {error.message}")

    def declared(self, failure: Failure) -> Failure:
        """The error as its declaration has it: whether it may be retried, and the numbers of its data.

        Where the data does not fit its schema it is a ``perdure.Schema`` with the error as its cause: who
        catches an error of this name reads data of this shape.
        """
        program, declared = self.program, self.program.program.errors.get(failure.type)
        if declared is None:
            return failure
        failure.retryable = failure.retryable and declared.retryable
        problem = program.error_problem(failure.type, failure.data)
        if problem is None:
            failure.data = program.error_data(failure.type, failure.data)
            return failure
        message = f"the data of error {failure.type} does not fit its schema: {problem}"
        return msgspec.structs.replace(
            failure, type=SCHEMA, message=message, data=None, cause=failure.to_json()
        )

    def log(self, level: str, message: str, fields: Any) -> None:
        """Write a line to the log once the turn is committed."""
        self.logs.append(LogLine(level=level, message=message, fields=fields, path=self.current_path()))

    def warn(self, message: str) -> None:
        """Write a warning of the engine's own to the log."""
        self.logs.append(LogLine(level="warning", message=message, fields=None, path="do"))

    def set_variables(self, values: dict[str, Any]) -> None:
        """Replace the values of some variables."""
        self.state.variables = self.env.vars = {**self.state.variables, **values}

    def end(self, fiber: Fiber, completion: Completion) -> None:
        """A fiber's last scope is left: its branch has ended, or the instance has."""
        if fiber.group is not None:
            forks.branch_ended(self, fiber, completion)
            return
        if fiber.undoes is not None:
            sagas.undone(self, fiber, completion)
            return
        self.state.ended = True
        self.state.fibers.clear()
        self.cancel_timer(self.state.deadline)
        match completion:
            case Returned(value=value):
                whole = self.started.chunk is None
                self._complete(value, self.program.output_problem(value) if whole else None)
            case Renewed(input=value, carry=carry, resume=resume, version=version):
                self.state.resume = resume
                # What came after the event that ended this generation is for the next one in any case.
                left = [*(self.state.buffer if carry else ()), *self.state.held]
                self.state.buffer = [
                    each for each in left if isinstance(each, EventRaised) and not each.correlated
                ]
                carried, checkpoint = len(self.state.buffer), resume is not None
                self.decide(
                    ContinueAsNew(input=value, carried=carried, checkpoint=checkpoint, version=version)
                )
            case Failed(failure=failure):
                self.decide(endings.failed(self, failure))
            case _:
                raise AssertionError("a jump leaves no fiber")

    def _complete(self, output: Any, problem: str | None) -> None:
        if problem is None:
            self.decide(ExecutionCompleted(status="Completed", output=output))
            return
        failure = Failure(type=SCHEMA, message=f"the output does not fit output.schema: {problem}")
        self.decide(ExecutionCompleted(status="Failed", error=failure.to_json()))

    # -- events -----------------------------------------------------------------------------------

    def _receive(self, event: Received) -> None:
        state = self.state
        if type(event) is ExecutionStarted:
            self.started, state.begun = event, True
        act = _ACTS.get(type(event))
        if act is None:
            self._manage(event)
        elif state.suspended:
            state.held.append(event)
        else:
            act(self, event)
            self._run()

    def _manage(self, event: Received) -> None:
        """What is heard whether the instance is suspended or not."""
        state = self.state
        match event:
            case ExecutionSuspended():
                state.suspended = True
            case ExecutionResumed():
                state.suspended = False
                limits.allow_more(self, self._events)
                self._let_go()
            case ExecutionRewound() | ExecutionForked():
                state.suspended = False
                self._let_go()
                going_on.go_on(self)
            case ParentAttached(asker=asker):
                state.others.append(asker)
            case ExecutionMigrated(version=version, digest=digest):
                self.started = msgspec.structs.replace(self.started, version=version, digest=digest)
                self.env.workflow = {**self.env.workflow, "version": version, "digest": digest}
            case _:
                raise AssertionError(f"{type(event).__name__} is not for the machine")

    def _let_go(self) -> None:
        """Act on what was held, in order."""
        while self.state.held and not self.state.ended:
            self._receive(self.state.held.pop(0))

    def cancel_all(self, event: ExecutionCanceled) -> None:
        """Somebody wants the instance to end."""
        endings.end_early(self, Ending(why="canceled", text=event.reason))
        if event.unstarted and not self.state.begun:
            endings.never_begin(self)

    def introduce(self, event: ExecutionStarted, at: int) -> None:
        """Know what the generation starts with, before anything of it runs."""
        env = self.env
        self.started, env.now_us = event, at
        self.began_at = at
        if event.chunk is not None:
            chunks.scene(self, event.chunk)
            return
        env.input = self.program.input_value(event.input)
        env.workflow = workflow_value(self.instance_id, event, at)
        variables = self.program.program.variables if event.resume is None else event.resume.variables
        self.set_variables(variables)

    def start(self, event: ExecutionStarted) -> None:
        """Begin the generation."""
        self.introduce(event, self.env.now_us)
        state = self.state
        state.buffer = list(event.carried)
        state.heard = len(event.carried)
        state.ages = list(range(state.heard))
        state.others = list(event.others)
        state.first_started_at = event.first_started_at or self.env.now_us
        if event.chunk is not None:
            chunks.begin(self, event)
        elif event.resume is None:
            self.start_fiber(0, {}, None, 0)
        else:
            checkpoints.go_on(self, event.resume)
        endings.watch_time(self)
        if event.canceled is not None:
            self.cancel_all(event.canceled)
        elif state.ending is not None:
            endings.cancel_root(self)

    # -- running ----------------------------------------------------------------------------------

    def _run(self) -> None:
        state = self.state
        while state.ready and not state.ended:
            ready, state.ready = state.ready, []
            for fiber_id in ready:
                self._advance(state.fibers[fiber_id])
            if self.given_back and not state.ready and not state.ended:
                self.given_back = False
                waits.hand_out(self)

    def _exhausted(self, fiber: Fiber) -> bool:
        """The error of an endless computation. Less and less is left for what cleans up after it."""
        self._reserve //= 10
        self._budget = self._reserve
        message = f"more than {MAX_INSTRUCTIONS} instructions without waiting for anything"
        return scopes.unwind(self, fiber, Failed(failure=self.failure(fiber, LIMIT, message)))

    def _advance(self, fiber: Fiber) -> None:
        """Run a fiber until it waits or ends."""
        self.focus(fiber)
        code, handlers = self.program.ops, ops.HANDLERS
        stopped = False
        failure, fiber.failure = fiber.failure, None
        if failure is not None:
            stopped = scopes.unwind(self, fiber, Failed(failure=failure))
        while not stopped:
            op = code[fiber.pc]
            fiber.pc += 1
            self._budget -= 1
            try:
                stopped = handlers[op.kind](self, fiber, op) if self._budget >= 0 else self._exhausted(fiber)
            except EvalError as error:
                failure = self.expression_failure(fiber, error)
                stopped = scopes.unwind(self, fiber, Failed(failure=failure))


_ACTS: dict[type, Callable[[Machine, Any], None]] = {
    TaskCompleted: waits.task_answered,
    TaskFailed: waits.task_answered,
    TimerFired: lambda machine, event: waits.timer_fired(machine, event.scheduled_seq),
    EventRaised: waits.event_raised,
    SubOrchestrationInstanceCompleted: waits.answered,
    SubOrchestrationInstanceFailed: waits.answered,
    EntityOperationCompleted: waits.operation_answered,
    EntityOperationFailed: waits.operation_answered,
    EntityLockGranted: locks.granted,
    StepResolved: by_hand.resolve,
    FanOutStopped: lambda machine, _: chunks.stop(machine),
    ExecutionCanceled: Machine.cancel_all,
    ExecutionStarted: Machine.start,
}
"""What is acted on; it waits while the instance is suspended."""
