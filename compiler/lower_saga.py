"""Lowering of ``saga`` and ``compensate``.

A step with ``compensate`` registers what undoes it: after its work, when its value is there, or before, if
it is to be undone although nobody knows whether it happened. The undoing stands right behind
``Register``; it sees the names that the step saw, with the values that they had then, ``vars`` too.
"""

from __future__ import annotations

from typing import TypeAlias

from perdure.compiler import ir
from perdure.compiler.emitter import Label
from perdure.compiler.lower_outside import OutsideLowering
from perdure.dsl import model

_Asking: TypeAlias = model.Call | model.CallWorkflow | model.CallEntity
"""What can be undone, and what undoes it."""


class FullLowering(OutsideLowering):
    """``Lowering`` with all constructs."""

    def __init__(self, workflow: model.Workflow) -> None:
        super().__init__(workflow)
        self._undo_policies: list[ir.RetryPolicy | None] = []
        """Of each saga around the present step: how an undo is retried that says nothing of it."""

    def _flow(self, step: model.Step, slot: str) -> None:
        if isinstance(step, model.Saga):
            with self._bound(step.timeout):
                self._saga(step, slot)
        else:
            super()._flow(step, slot)

    def _saga(self, step: model.Saga, slot: str) -> None:
        self._undo_policies.append(None if step.retry is None else self._retry(step.retry))
        self._emit(ir.EnterSaga, on_failure=step.on_failure)
        with self._deeper():
            self._emit(ir.Move, slot=slot, source=self._block(step.body))
        self._emit(ir.LeaveSaga)
        self._undo_policies.pop()

    def _valued(self, step: model.Step, slot: str) -> None:
        if not isinstance(step, _Asking) or step.compensate is None:
            super()._valued(step, slot)
            return
        with self._bound(step.timeout) if isinstance(step, model.CallEntity) else self._bounds(step):
            self._undoable(step, slot, step.compensate)

    def _undoable(self, step: _Asking, slot: str, undo: model.Compensate) -> None:
        """A step that registers what undoes it. Its ``output`` comes first: the undoing may read it."""
        key = self._optional(step.idempotency_key) if isinstance(step, model.Call) else None
        if undo.on == "attempted":
            self._register(undo, key)
        if step.output is None or isinstance(step, model.Call):
            self._ask(step, slot, key)
        else:
            result = self._scope.fresh("result")
            self._ask(step, result, key)
            self._emit(ir.Assign, slot=slot, value=self._code(step.output, result=result))
        if undo.on == "success":
            assert step.name is not None, "what asks for something is a named step"
            self._register(undo, key, **{step.name: slot})

    def _register(self, undo: model.Compensate, key: ir.Code | None, **names: str) -> None:
        step_slot, vars_slot = self._scope.fresh("step"), self._scope.fresh("vars")
        body, end = Label(), Label()
        self._emit(
            ir.Register, key=key, step_slot=step_slot, vars_slot=vars_slot, captures=(), body=body, end=end
        )
        self._emitter.place(body)
        with self._resuming(), self._fiber(), self._scope.nested(step=step_slot, vars=vars_slot, **names):
            self._enter_step(undo.action)
            self._undo(undo)
            self._emit(ir.EndBranch, source=None)
        self._emitter.place(end)

    def _undo(self, undo: model.Compensate) -> None:
        action = undo.action
        deadline = None if isinstance(action, model.CallEntity) else action.deadline
        retry = self._undo_policies[-1] if undo.retry is None else self._retry(undo.retry)
        with self._bound(action.timeout, deadline, retry):
            key = self._optional(action.idempotency_key) if isinstance(action, model.Call) else None
            self._ask(action, self._scope.fresh("undone"), key)

    def _ask(self, step: _Asking, slot: str, key: ir.Code | None) -> None:
        match step:
            case model.Call():
                self._call(step, slot, key)
            case model.CallWorkflow():
                self._call_workflow(step, slot)
            case model.CallEntity():
                self._call_entity(step, slot)
