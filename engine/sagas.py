"""Sagas: keeping what undoes a step, and undoing in reverse when an error leaves the scope.

A compensation runs as a fiber of its own, one after the other, and nothing cancels it: the fiber that left
the saga waits, and a cancellation of it comes after the last of them. What came of each is told by the
error that goes on, as ``compensation``.

A step that was undone has not happened: when it runs again (in the next attempt of something around the
saga), it is another call, and has another idempotency key. ``identity`` says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.engine import keys, scopes, waits
from perdure.engine.failure import COMPENSATION, Failure, with_undone
from perdure.engine.state import Completion, Failed, Fiber, Saga, Undo, UndoWait

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


def identity(machine: Machine, path: str) -> str:
    """What the default key of the call at a path, or the id of a child there, is made from."""
    times = machine.state.undone.get(path, 0)
    return path if times == 0 else f"{path}#{times}"


def default_key(machine: Machine, path: str) -> str:
    """The idempotency key of the call at a path that says nothing of it."""
    return keys.idempotency_key(machine.started.key_seed, identity(machine, path))


def enter(machine: Machine, fiber: Fiber) -> None:
    """Open the scope."""
    fiber.scopes.append(Saga(pc=fiber.pc - 1))


def register(machine: Machine, fiber: Fiber, op: Any) -> None:
    """Keep a compensation in the nearest saga, as its last one."""
    path = machine.path(fiber, op.step)
    given = None if op.key is None else op.key(fiber.frame, machine.env)
    key = given or default_key(machine, path)
    frame = {slot: fiber.frame.get(slot) for slot in op.captures}
    frame[op.step_slot] = {"idempotency_key": key, "attempt": waits.attempt(fiber)}
    if op.vars_slot is not None:
        frame[op.vars_slot] = machine.state.variables
    saga = _nearest(machine, fiber)
    assert saga is not None, "a compensation is registered in a saga"
    step = machine.program.program.steps[op.step].name
    _keep(saga, [Undo(path=path, step=step, body=op.body, frame=frame)])


def _nearest(machine: Machine, fiber: Fiber) -> Saga | None:
    """The innermost saga that is open around a fiber, in it or in those whose branch it is."""
    while True:
        for scope in reversed(fiber.scopes):
            if isinstance(scope, Saga):
                return scope
        if fiber.group is None:
            return None
        fiber = machine.state.fibers[machine.state.groups[fiber.group].fiber]


def _keep(saga: Saga, undos: list[Undo]) -> None:
    """Each takes the place of an earlier one of its path, and counts as the last."""
    paths = {undo.path for undo in undos}
    saga.undos = [undo for undo in saga.undos if undo.path not in paths] + undos


def close(machine: Machine, fiber: Fiber) -> None:
    """The scope is left well: a part is undone with the whole, if there is one."""
    saga = fiber.scopes.pop()
    assert isinstance(saga, Saga), "the innermost scope is a Saga"
    around = _nearest(machine, fiber)
    if around is not None:
        _keep(around, saga.undos)


def leave(machine: Machine, fiber: Fiber, saga: Saga, completion: Completion) -> Completion | bool:
    """Undo after an error (True: the fiber waits for that); let the completion go on."""
    if not isinstance(completion, Failed):
        close(machine, fiber)
        return completion
    saga.phase, saga.failure = "undo", completion.failure
    if saga.undos:
        _undo_next(machine, fiber, saga)
        return True
    return _over(machine, fiber, saga)


def _undo_next(machine: Machine, fiber: Fiber, saga: Saga) -> None:
    undo = saga.undos[-1]
    worker = machine.start_fiber(undo.body, undo.frame, None, 0)
    worker.undoes = fiber.id
    fiber.wait = UndoWait(fiber=worker.id)


def undone(machine: Machine, worker: Fiber, completion: Completion) -> None:
    """A compensation has ended: go on with the one before it, or with the error that led here."""
    state = machine.state
    del state.fibers[worker.id]
    assert worker.undoes is not None, "a compensation belongs to a saga"
    fiber = state.fibers[worker.undoes]
    saga = fiber.scopes[-1]
    assert isinstance(saga, Saga), "who waits for a compensation has left the body of a saga"
    undo = saga.undos.pop()
    error = completion.failure if isinstance(completion, Failed) else None
    saga.report.append(_entry(undo, "undone" if error is None else "failed", error))
    if error is None:
        for path in (undo.path, machine.path(worker, machine.program.ops[undo.body].step)):
            state.undone[path] = state.undone.get(path, 0) + 1
    elif machine.program.ops[saga.pc].on_failure == "stop":
        saga.stopped = error
        saga.report += [_entry(each, "skipped", None) for each in reversed(saga.undos)]
        saga.undos = []
    if saga.undos:
        _undo_next(machine, fiber, saga)
    else:
        machine.resume(fiber, _over(machine, fiber, saga).failure)


def _entry(undo: Undo, outcome: str, failure: Failure | None) -> dict[str, Any]:
    error = None if failure is None else failure.to_json()
    return {"step": undo.step, "path": undo.path, "outcome": outcome, "error": error}


def _over(machine: Machine, fiber: Fiber, saga: Saga) -> Failed:
    """All has been done that can be: the scope is left with the error, or with what comes before it."""
    failure = saga.failure
    assert failure is not None, "a saga undoes after an error"
    fiber.scopes.pop()
    if saga.stopped is not None:
        undo = next(each for each in saga.report if each["outcome"] == "failed")
        message = f"{undo['step'] or undo['path']} could not be undone: {saga.stopped.message}"
        earlier, cause = failure.compensation, failure.to_json()
        failure = Failure(
            type=COMPENSATION,
            message=message,
            step=undo["step"],
            path=undo["path"],
            cause=cause,
            compensation=earlier,
        )
    failed = Failed(failure=with_undone(failure, saga.report))
    return scopes.canceled_instead(machine, fiber, failed) or failed
