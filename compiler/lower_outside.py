"""Lowering of what reaches other instances and entities: children, operations, locks, events."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from perdure.compiler import ir
from perdure.compiler.constants import text_value
from perdure.compiler.lower_flow import FlowLowering
from perdure.dsl import model
from perdure.dsl.expr.ast import Value


class OutsideLowering(FlowLowering):
    """``Lowering`` with all constructs but ``saga``."""

    def _flow(self, step: model.Step, slot: str) -> None:
        match step:
            case model.CallWorkflow():
                with self._bounds(step):
                    self._call_workflow(step, slot)
            case model.StartWorkflow():
                self._start_workflow(step, slot)
            case model.CallEntity():
                with self._bound(step.timeout):
                    self._call_entity(step, slot)
            case model.LockEntities():
                self._lock_entities(step, slot)
            case _:
                super()._flow(step, slot)

    def _message(self, step: model.Step) -> None:
        match step:
            case model.SendEvent():
                to, arguments = self._code(step.to), self._optional(step.arguments)
                self._emit(ir.SendEvent, to=to, event=step.event, arguments=arguments)
            case model.SignalEntity():
                self._emit(
                    ir.SignalEntity,
                    entity=self._target(step.entity),
                    operation=step.operation,
                    arguments=self._optional(step.arguments),
                    at=self._optional(step.at),
                )
            case model.Cancel():
                instance, reason = self._code(step.instance), self._optional(step.reason)
                self._emit(ir.Cancel, instance=instance, reason=reason)
            case _:
                super()._message(step)

    def _call_workflow(self, step: model.CallWorkflow, slot: str) -> None:
        self._emit(
            ir.CallWorkflow, slot=slot, **self._new_instance(step), on_parent_close=step.on_parent_close
        )

    def _start_workflow(self, step: model.StartWorkflow, slot: str) -> None:
        start_at = self._optional(step.start_at)
        self._emit(ir.StartWorkflow, slot=slot, **self._new_instance(step), start_at=start_at)

    def _new_instance(self, step: model.CallWorkflow | model.StartWorkflow) -> dict[str, Any]:
        """What is said of an instance that a step starts, waited for or not."""
        return {
            "workflow": step.workflow,
            "version": step.version,
            "arguments": self._optional(step.arguments),
            "instance_id": self._optional(step.instance_id),
            "if_exists": step.if_exists,
            "tags": self._tags(step.child_tags),
        }

    def _tags(self, tags: tuple[tuple[str, Value], ...]) -> tuple[tuple[str, ir.Code], ...]:
        """In the order of names: the order of tags means nothing, so it must not change a digest."""
        return tuple(
            sorted(((name, self._code(text_value(value))) for name, value in tags), key=itemgetter(0))
        )

    def _call_entity(self, step: model.CallEntity, slot: str) -> None:
        self._emit(
            ir.CallEntity,
            slot=slot,
            entity=self._target(step.entity),
            operation=step.operation,
            arguments=self._optional(step.arguments),
        )

    def _target(self, entity: model.EntityTarget) -> ir.Target:
        return ir.Target(type=entity.type, key=self._code(text_value(entity.key)))

    def _lock_entities(self, step: model.LockEntities, slot: str) -> None:
        targets: tuple[ir.Target, ...] = ()
        listed = None
        if isinstance(step.entities, tuple):
            targets = tuple(self._target(each) for each in step.entities)
        else:
            listed = self._code(step.entities)
        self._emit(ir.EnterLock, targets=targets, listed=listed, timeout=self._amount(step.timeout))
        with self._deeper():
            self._emit(ir.Move, slot=slot, source=self._body(step.body))
        self._emit(ir.LeaveLock)
