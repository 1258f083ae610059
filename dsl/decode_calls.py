"""Steps that ask something of others: activities, other instances, entities; and what undoes them.

What undoes a step at ``P`` has the path ``P/compensate``.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Any, cast

from perdure.dsl import model
from perdure.dsl.decode_keys import Common, Defaults, Keys, child, span_of, unnamed
from perdure.dsl.diagnostics import quote
from perdure.dsl.forms import plain
from perdure.dsl.nodes import MapNode, Node


class CallDecoder:
    """Decodes the steps without blocks that leave the instance."""

    def __init__(self, keys: Keys, defaults: Defaults, functions: Container[str]) -> None:
        self._keys = keys
        self._defaults = defaults
        self._functions = functions

    # Steps ------------------------------------------------------------------------------------

    def call(self, node: MapNode, common: Common) -> model.Call:
        """One activity, with the header's defaults."""
        activity, bounds = child(node, "call"), self._keys.bounds(node)
        if "timeout" not in node:
            bounds["timeout"] = self._defaults.call_timeout
        if "retry" not in node:
            bounds["retry"] = self._defaults.call_retry
        priority, given = node.get("priority"), node.get("with")
        return model.Call(
            activity=str(plain(activity)),
            activity_span=activity.span,
            arguments=self._keys.value(node, "with"),
            idempotency_key=self._keys.value(node, "idempotency_key"),
            heartbeat=self._keys.duration(node, "heartbeat"),
            queue=self._keys.text(node, "queue") or self._defaults.queue,
            priority=None if priority is None else int(plain(priority)),
            fairness_key=self._keys.value(node, "fairness_key"),
            concurrency=self._keys.key_limit(node),
            compensate=self._compensate(node, common),
            arguments_span=None if given is None else given.span,
            argument_places=tuple(
                model.Argument(name=each.name, span=each.key.span, value_span=each.value.span)
                for each in (given.entries if isinstance(given, MapNode) else ())
            ),
            **bounds,
            **common,
        )

    def call_workflow(self, node: MapNode, common: Common) -> model.CallWorkflow:
        """A child instance; its ``tags`` are the child's."""
        return model.CallWorkflow(
            **self._new_instance(node, "call_workflow"),
            on_parent_close=cast("Any", self._keys.text(node, "on_parent_close") or "terminate"),
            compensate=self._compensate(node, common),
            **self._keys.bounds(node),
            **common,
        )

    def start_workflow(self, node: MapNode, common: Common) -> model.StartWorkflow:
        """A detached instance; its ``tags`` are that instance's."""
        return model.StartWorkflow(
            **self._new_instance(node, "start_workflow"),
            start_at=self._keys.condition(node, "start_at"),
            **common,
        )

    def _new_instance(self, node: MapNode, kind: str) -> dict[str, Any]:
        """What is said of an instance that a step starts, waited for or not."""
        workflow = child(node, kind)
        return {
            "workflow": str(plain(workflow)),
            "workflow_span": workflow.span,
            "version": self._keys.text(node, "version"),
            "version_span": span_of(node, "version"),
            "arguments": self._keys.value(node, "with"),
            "instance_id": self._keys.value(node, "instance_id"),
            "if_exists": self._keys.text(node, "if_exists") or "reject",
            "child_tags": self._keys.tags(node),
        }

    def call_entity(self, node: MapNode, common: Common) -> model.CallEntity:
        """An operation of an entity."""
        operation = child(node, "op")
        return model.CallEntity(
            entity=self._keys.forms.entity(child(node, "call_entity")),
            operation=str(plain(operation)),
            operation_span=operation.span,
            arguments=self._keys.value(node, "with"),
            timeout=self._keys.duration(node, "timeout"),
            compensate=self._compensate(node, common),
            **common,
        )

    def _compensate(self, node: MapNode, common: Common) -> model.Compensate | None:
        found = node.get("compensate")
        if not isinstance(found, MapNode):
            return None
        action_common = unnamed(f"{common['path']}/compensate", found.span)
        action: model.Call | model.CallWorkflow | model.CallEntity
        if "call" in found:
            activity = child(found, "call")
            if plain(activity) in self._functions:
                hint = "a compensation calls an activity, a workflow or an entity itself"
                message = f"{quote(str(plain(activity)))} is a function, which cannot be a compensation"
                self._keys.forms.error("PD231", message, activity.span, hint)
            # 'retry' is read below: without one the saga's holds, not the header's default.
            action = replace(self.call(found, action_common), retry=None)
        elif "call_workflow" in found:
            action = replace(self.call_workflow(found, action_common), retry=None)
        else:
            action = self.call_entity(found, action_common)
        return model.Compensate(
            on=cast("Any", self._keys.text(found, "on") or "success"),
            action=action,
            retry=self._keys.retry(found),
            span=found.span,
        )

    # Statements -------------------------------------------------------------------------------

    def send_event(self, node: Node, _: MapNode, common: Common) -> model.SendEvent:
        """An event to another instance."""
        assert isinstance(node, MapNode), "the structure was checked"
        event = child(node, "event")
        return model.SendEvent(
            to=self._keys.forms.value(child(node, "to")),
            event=str(plain(event)),
            event_span=event.span,
            arguments=self._keys.value(node, "with"),
            **common,
        )

    def signal_entity(self, node: Node, _: MapNode, common: Common) -> model.SignalEntity:
        """An operation that nobody waits for."""
        assert isinstance(node, MapNode), "the structure was checked"
        operation = child(node, "op")
        return model.SignalEntity(
            entity=self._keys.forms.entity(child(node, "entity")),
            operation=str(plain(operation)),
            operation_span=operation.span,
            arguments=self._keys.value(node, "with"),
            at=self._keys.condition(node, "at"),
            **common,
        )

    def cancel(self, node: Node, _: MapNode, common: Common) -> model.Cancel:
        """Asks another instance to end."""
        assert isinstance(node, MapNode), "the structure was checked"
        return model.Cancel(
            instance=self._keys.forms.value(child(node, "instance")),
            reason=self._keys.value(node, "reason"),
            **common,
        )
