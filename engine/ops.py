"""What each instruction does. A handler returns whether its fiber stopped: waits, or has ended.

``op`` is the linked instruction: its expressions are functions of the frame and the environment, and
raise ``EvalError``, which the machine turns into an error of the step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from perdure.compiler import ir
from perdure.engine import checkpoints, correlation, forks, keys, locks, sagas, scopes, waits
from perdure.engine.events import (
    CancelSent,
    EventSent,
    InstanceStarted,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
)
from perdure.engine.failure import EXPRESSION, LIMIT, SCHEMA, Failure, matches
from perdure.engine.instance import id_problem
from perdure.engine.payload import bounded
from perdure.engine.state import (
    Bound,
    EventWait,
    Failed,
    Fiber,
    Left,
    Renewed,
    Returned,
    TaskWait,
    TimerUse,
    TimerWait,
    Try,
)
from perdure.engine.tasks import DEFAULT_QUEUE

if TYPE_CHECKING:
    from perdure.engine.machine import Machine

Handler: TypeAlias = "Callable[[Machine, Fiber, Any], bool]"

HOUR = 3_600_000_000
"""Microseconds."""


def _amount(machine: Machine, fiber: Fiber, value: Any) -> int:
    """A count or a number of microseconds, constant or computed."""
    return value if isinstance(value, int) else value(fiber.frame, machine.env)


def _optional(machine: Machine, fiber: Fiber, code: Any) -> Any:
    return None if code is None else code(fiber.frame, machine.env)


def _fail(machine: Machine, fiber: Fiber, kind: str, message: str, data: Any = None) -> bool:
    return scopes.unwind(machine, fiber, Failed(failure=machine.failure(fiber, kind, message, data)))


# -- moving about ------------------------------------------------------------------------------------


def _jump(machine: Machine, fiber: Fiber, op: Any) -> bool:
    fiber.pc = op.to
    return False


def _jump_unless(machine: Machine, fiber: Fiber, op: Any) -> bool:
    if not op.condition(fiber.frame, machine.env):
        fiber.pc = op.to
    return False


def _assign(machine: Machine, fiber: Fiber, op: Any) -> bool:
    fiber.frame[op.slot] = op.value(fiber.frame, machine.env)
    return False


def _move(machine: Machine, fiber: Fiber, op: Any) -> bool:
    fiber.frame[op.slot] = None if op.source is None else fiber.frame.get(op.source)
    return False


def _set_variables(machine: Machine, fiber: Fiber, op: Any) -> bool:
    machine.set_variables({name: code(fiber.frame, machine.env) for name, code in op.values})
    return False


# -- asking and waiting ------------------------------------------------------------------------------


def _call(machine: Machine, fiber: Fiber, op: Any) -> bool:
    path = machine.path(fiber, op.step)
    key = _optional(machine, fiber, op.key) or sagas.default_key(machine, path)
    concurrency_key, limit = "", 0
    if op.concurrency is not None:
        concurrency_key = op.concurrency.key(fiber.frame, machine.env)
        limit = _amount(machine, fiber, op.concurrency.limit)
        if limit < 1:
            return _fail(machine, fiber, EXPRESSION, f"concurrency: a limit of {limit} lets nothing run")
    heartbeat = 0 if op.heartbeat is None else _amount(machine, fiber, op.heartbeat)
    if op.heartbeat is not None and heartbeat < 1:
        return _fail(machine, fiber, EXPRESSION, "heartbeat: nobody can be heard of that often")
    seq = machine.decide(
        TaskScheduled(
            name=op.activity,
            key=key,
            path=path,
            attempt=waits.attempt(fiber),
            has_input=op.arguments is not None,
            input=bounded(_optional(machine, fiber, op.arguments), "'with'"),
            queue="" if op.queue in (None, DEFAULT_QUEUE) else op.queue,
            priority=op.priority or 0,
            fairness_key=_optional(machine, fiber, op.fairness_key) or "",
            concurrency_key=concurrency_key,
            concurrency_limit=limit,
            heartbeat=heartbeat,
        )
    )
    machine.state.tasks[seq] = fiber.id
    fiber.wait = TaskWait(seq=seq)
    return True


def _wait(machine: Machine, fiber: Fiber, op: Any) -> bool:
    if op.duration is not None:
        delay = _amount(machine, fiber, op.duration)
    else:
        delay = op.until(fiber.frame, machine.env) - machine.env.now_us
    if delay <= 0:
        return False
    seq = machine.start_timer(delay, TimerUse(fiber.id, "wait"), machine.path(fiber, op.step))
    fiber.wait = TimerWait(seq=seq)
    return True


def _wait_event(machine: Machine, fiber: Fiber, op: Any) -> bool:
    timeout = None if op.timeout is None else _amount(machine, fiber, op.timeout)
    needed = None if op.count is None else _amount(machine, fiber, op.count)
    wait = EventWait(event=op.event, timer=None, received=[], needed=needed)
    if needed is not None and needed < 1:
        fiber.frame[op.slot] = []
        return False
    known = None if op.correlate is None else op.correlate.known(fiber.frame, machine.env)
    if _take_buffered(machine, fiber, wait):
        return False
    if timeout is not None:
        use = TimerUse(fiber.id, "event")
        wait.timer = machine.start_timer(timeout, use, machine.path(fiber, op.step))
    fiber.wait = wait
    machine.state.waiting.setdefault(op.event, []).append(fiber.id)
    if op.correlate is not None:
        correlation.subscribe(machine, fiber, wait, correlation.key_of(known))
    return True


def _take_buffered(machine: Machine, fiber: Fiber, wait: EventWait) -> bool:
    """Give the wait what came early, oldest first; returns whether it has all it waits for."""
    state, complete = machine.state, False
    came = list(zip(state.buffer, state.ages, strict=True))
    state.buffer, state.ages = [], []
    try:
        while came and not complete:
            event, age = came.pop(0)
            if event.name == wait.event and correlation.accepts(machine, fiber, event.input):
                complete = waits.take(machine, fiber, wait, event, age)
            else:
                waits.keep(machine, event, age)
    finally:
        for event, age in came:
            waits.keep(machine, event, age)
    return complete


# -- other instances ---------------------------------------------------------------------------------


def _call_workflow(machine: Machine, fiber: Fiber, op: Any) -> bool:
    asked = _new_instance(machine, fiber, op)
    if asked is None:
        return _fail(machine, fiber, EXPRESSION, "instance_id is no id of an instance")
    attempt = waits.attempt(fiber)
    decision = SubOrchestrationInstanceCreated(**asked, on_close=op.on_parent_close, attempt=attempt)
    machine.ask(fiber, decision, decision.instance, op.on_parent_close)
    return True


def _start_workflow(machine: Machine, fiber: Fiber, op: Any) -> bool:
    asked = _new_instance(machine, fiber, op)
    if asked is None:
        return _fail(machine, fiber, EXPRESSION, "instance_id is no id of an instance")
    start_at = max(_optional(machine, fiber, op.start_at) or 0, 0)
    decision = InstanceStarted(**asked, start_at=start_at)
    machine.ask(fiber, decision, decision.instance)
    return True


def _new_instance(machine: Machine, fiber: Fiber, op: Any) -> dict[str, Any] | None:
    """What two decisions have in common; None if the id that is given cannot be one."""
    path = machine.path(fiber, op.step)
    if op.instance_id is None:
        # In a chunk these are the parent's: whose part of the work it is makes no difference.
        workflow, what = machine.env.workflow, sagas.identity(machine, path)
        instance = keys.child_id(workflow["instance_id"], workflow["generation"], what, waits.attempt(fiber))
    else:
        instance = op.instance_id(fiber.frame, machine.env)
        if id_problem(instance) is not None:
            return None
    return {
        "instance": instance,
        "name": op.workflow,
        "path": path,
        "version": op.version,
        "input": bounded(_optional(machine, fiber, op.arguments), "'with'"),
        "tags": {name: code(fiber.frame, machine.env) for name, code in op.tags},
        "if_exists": op.if_exists,
    }


def _send_event(machine: Machine, fiber: Fiber, op: Any) -> bool:
    instance = op.to(fiber.frame, machine.env)
    payload = bounded(_optional(machine, fiber, op.arguments), "'with'")
    if id_problem(instance) is None:
        path = machine.path(fiber, op.step)
        machine.decide(EventSent(instance=instance, name=op.event, path=path, input=payload))
    else:
        machine.log("warning", f"send_event: {instance!r} is no id of an instance", None)
    return False


def _cancel(machine: Machine, fiber: Fiber, op: Any) -> bool:
    instance = op.instance(fiber.frame, machine.env)
    reason = _optional(machine, fiber, op.reason)
    if id_problem(instance) is None:
        path = machine.path(fiber, op.step)
        machine.decide(CancelSent(instance=instance, path=path, reason=reason))
    else:
        machine.log("warning", f"cancel: {instance!r} is no id of an instance", None)
    return False


# -- entities ----------------------------------------------------------------------------------------


def _entity(handler: Handler) -> Handler:
    """A handler whose instruction names entities; one that cannot be an entity fails its step."""

    def handle(machine: Machine, fiber: Fiber, op: Any) -> bool:
        try:
            return handler(machine, fiber, op)
        except locks.NoEntity as problem:
            return _fail(machine, fiber, EXPRESSION, str(problem))

    return handle


def _leave_lock(machine: Machine, fiber: Fiber, op: Any) -> bool:
    locks.close(machine, fiber)
    return False


# -- scopes ------------------------------------------------------------------------------------------


def _enter_bound(machine: Machine, fiber: Fiber, op: Any) -> bool:
    scope = Bound(pc=fiber.pc - 1)
    if op.timeout is not None:
        scope.limit = _amount(machine, fiber, op.timeout)
    if op.retry is not None:
        attempts = _amount(machine, fiber, op.retry.attempts)
        delay = _amount(machine, fiber, op.retry.delay)
        longest = op.retry.max_delay
        max_delay = max(HOUR, delay) if longest is None else _amount(machine, fiber, longest)
        scope.policy = (attempts, delay, max_delay)
    deadline = None if op.deadline is None else _amount(machine, fiber, op.deadline)
    fiber.scopes.append(scope)
    if deadline is not None:
        use = TimerUse(fiber.id, "deadline", len(fiber.scopes) - 1)
        scope.deadline = machine.start_timer(deadline, use, machine.path(fiber, op.step))
    scopes.start_attempt(machine, fiber)
    return False


def _leave_bound(machine: Machine, fiber: Fiber, op: Any) -> bool:
    scopes.close_bound(machine, fiber)
    return False


def _enter_try(machine: Machine, fiber: Fiber, op: Any) -> bool:
    fiber.scopes.append(Try(pc=fiber.pc - 1))
    return False


def _caught(fiber: Fiber) -> Failure:
    scope = fiber.scopes[-1]
    assert isinstance(scope, Try), "clauses belong to a Try"
    assert scope.failure is not None, "clauses look at an error"
    return scope.failure


def _catch(machine: Machine, fiber: Fiber, op: Any) -> bool:
    failure = _caught(fiber)
    if not matches(op.errors, failure):
        fiber.pc = op.otherwise
        return False
    fiber.frame[op.error_slot] = failure.to_json()
    if op.when is not None and not op.when(fiber.frame, machine.env):
        fiber.pc = op.otherwise
    return False


def _rethrow(machine: Machine, fiber: Fiber, op: Any) -> bool:
    return scopes.unwind(machine, fiber, Failed(failure=_caught(fiber)))


def _leave_try(machine: Machine, fiber: Fiber, op: Any) -> bool:
    return scopes.leave_try(machine, fiber)


def _end_finally(machine: Machine, fiber: Fiber, op: Any) -> bool:
    return scopes.end_finally(machine, fiber)


def _unwind(machine: Machine, fiber: Fiber, op: Any) -> bool:
    return scopes.unwind(machine, fiber, Left(to=op.to, depth=op.depth))


def _enter_saga(machine: Machine, fiber: Fiber, op: Any) -> bool:
    sagas.enter(machine, fiber)
    return False


def _register(machine: Machine, fiber: Fiber, op: Any) -> bool:
    sagas.register(machine, fiber, op)
    fiber.pc = op.end
    return False


def _leave_saga(machine: Machine, fiber: Fiber, op: Any) -> bool:
    sagas.close(machine, fiber)
    return False


# -- leaving -----------------------------------------------------------------------------------------


def _return(machine: Machine, fiber: Fiber, op: Any) -> bool:
    value = bounded(op.value(fiber.frame, machine.env), "the output")
    return scopes.unwind(machine, fiber, Returned(value=value))


def _raise(machine: Machine, fiber: Fiber, op: Any) -> bool:
    message = _optional(machine, fiber, op.message) or op.error
    data = bounded(_optional(machine, fiber, op.data), "the error's data")
    failure = machine.failure(fiber, op.error, message, data)
    failure.cause = _optional(machine, fiber, op.cause)
    return scopes.unwind(machine, fiber, Failed(failure=machine.declared(failure)))


def _raise_value(machine: Machine, fiber: Fiber, op: Any) -> bool:
    failure = Failure.from_json(op.value(fiber.frame, machine.env))
    if failure is None:
        return _fail(machine, fiber, EXPRESSION, "raise: the value is not an error")
    return scopes.unwind(machine, fiber, Failed(failure=machine.declared(failure)))


def _continue_as_new(machine: Machine, fiber: Fiber, op: Any) -> bool:
    value = bounded(op.input(fiber.frame, machine.env), "the new input")
    problem = machine.program.input_problem(value)
    if problem is not None:
        return _fail(machine, fiber, SCHEMA, f"the new input does not fit input.schema: {problem}")
    return scopes.unwind(machine, fiber, Renewed(input=value, carry=op.carry, version=op.version))


def _end(machine: Machine, fiber: Fiber, op: Any) -> bool:
    return scopes.unwind(machine, fiber, Returned(value=None))


def _end_branch(machine: Machine, fiber: Fiber, op: Any) -> bool:
    value = None if op.source is None else fiber.frame.get(op.source)
    return scopes.unwind(machine, fiber, Returned(value=value))


# -- loops -------------------------------------------------------------------------------------------


def _start_items(machine: Machine, fiber: Fiber, op: Any) -> bool:
    items = op.items(fiber.frame, machine.env)
    limit = None if op.limit is None else _amount(machine, fiber, op.limit)
    if limit is not None and len(items) > limit:
        return _fail(machine, fiber, LIMIT, f"the list has {len(items)} items, the limit is {limit}")
    fiber.frame[op.loop] = {"items": items, "next": 0, "values": []}
    return False


def _next_item(machine: Machine, fiber: Fiber, op: Any) -> bool:
    loop = fiber.frame[op.loop]
    index = loop["next"]
    if index >= len(loop["items"]):
        fiber.pc = op.end
        return False
    loop["next"] = index + 1
    fiber.frame[op.item_slot] = loop["items"][index]
    fiber.frame[op.index_slot] = index
    return False


def _end_item(machine: Machine, fiber: Fiber, op: Any) -> bool:
    fiber.frame[op.loop]["values"].append(None if op.source is None else fiber.frame.get(op.source))
    fiber.pc = op.to
    return False


def _collect_items(machine: Machine, fiber: Fiber, op: Any) -> bool:
    fiber.frame[op.slot] = fiber.frame.pop(op.loop)["values"]
    return False


def _start_rounds(machine: Machine, fiber: Fiber, op: Any) -> bool:
    fiber.frame[op.loop] = _amount(machine, fiber, op.limit)
    fiber.frame[op.index_slot] = -1
    return False


def _next_round(machine: Machine, fiber: Fiber, op: Any) -> bool:
    index, limit = fiber.frame[op.index_slot] + 1, fiber.frame[op.loop]
    if index >= limit:
        return _fail(machine, fiber, LIMIT, f"more than {limit} iterations")
    fiber.frame[op.index_slot] = index
    return False


def _checkpoint(machine: Machine, fiber: Fiber, op: Any) -> bool:
    return checkpoints.reached(machine, fiber, op)


# -- side by side ------------------------------------------------------------------------------------


def _fan_out(machine: Machine, fiber: Fiber, op: Any) -> bool:
    try:
        return forks.start_fan_out(machine, fiber, op)
    except forks.BadFanOut as bad:
        kind, message = bad.args
        return _fail(machine, fiber, kind, message)


def _branches(machine: Machine, fiber: Fiber, op: Any) -> bool:
    return forks.start_branches(machine, fiber, op)


# -- to be seen --------------------------------------------------------------------------------------


def _log(machine: Machine, fiber: Fiber, op: Any) -> bool:
    message = op.message(fiber.frame, machine.env)
    machine.log(op.level, message, _optional(machine, fiber, op.fields))
    return False


def _set_custom_status(machine: Machine, fiber: Fiber, op: Any) -> bool:
    machine.state.custom_status = bounded(op.value(fiber.frame, machine.env), "the custom status")
    return False


HANDLERS: dict[type[ir.Op], Handler] = {
    ir.Jump: _jump,
    ir.JumpUnless: _jump_unless,
    ir.Assign: _assign,
    ir.Move: _move,
    ir.SetVariables: _set_variables,
    ir.Call: _call,
    ir.Wait: _wait,
    ir.WaitEvent: _wait_event,
    ir.EnterBound: _enter_bound,
    ir.LeaveBound: _leave_bound,
    ir.EnterTry: _enter_try,
    ir.Catch: _catch,
    ir.Rethrow: _rethrow,
    ir.LeaveTry: _leave_try,
    ir.EndFinally: _end_finally,
    ir.EnterSaga: _enter_saga,
    ir.Register: _register,
    ir.LeaveSaga: _leave_saga,
    ir.Unwind: _unwind,
    ir.Return: _return,
    ir.Raise: _raise,
    ir.RaiseValue: _raise_value,
    ir.StartItems: _start_items,
    ir.NextItem: _next_item,
    ir.EndItem: _end_item,
    ir.CollectItems: _collect_items,
    ir.StartRounds: _start_rounds,
    ir.NextRound: _next_round,
    ir.Checkpoint: _checkpoint,
    ir.FanOut: _fan_out,
    ir.Parallel: _branches,
    ir.Race: _branches,
    ir.EndBranch: _end_branch,
    ir.ContinueAsNew: _continue_as_new,
    ir.Log: _log,
    ir.SetCustomStatus: _set_custom_status,
    ir.CallWorkflow: _call_workflow,
    ir.StartWorkflow: _start_workflow,
    ir.SendEvent: _send_event,
    ir.Cancel: _cancel,
    ir.CallEntity: _entity(locks.call),
    ir.SignalEntity: _entity(locks.signal),
    ir.EnterLock: _entity(locks.enter),
    ir.LeaveLock: _leave_lock,
    ir.End: _end,
}
