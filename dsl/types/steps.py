"""Types of the steps without blocks: calls, waits, statements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.expr import ast
from perdure.dsl.types.asking import Asking, Operations
from perdure.dsl.types.catalog import Catalog, Contract
from perdure.dsl.types.json_schema import type_of_schema
from perdure.dsl.types.kinds import (
    DYN,
    NEVER,
    NULL,
    Object,
    Type,
    describe,
    fits,
    list_of,
    members,
    object_of,
)
from perdure.dsl.types.names import ERROR, STEP, variable_type
from perdure.dsl.types.positions import (
    CONDITION,
    COUNT,
    ENTITY_KEY,
    FAILURE,
    IDEMPOTENCY_KEY,
    INSTANCE_ID,
    LENGTH,
    LOOPED,
    MESSAGE,
    MOMENT,
    Env,
    opened,
)


class Steps(Asking):
    """Checks steps of one workflow. ``base`` has the names that are visible everywhere."""

    def __init__(
        self,
        workflow: model.Workflow,
        catalog: Catalog,
        operations: Operations,
        diagnostics: Collector,
        *,
        strict: bool,
    ) -> None:
        super().__init__(catalog, operations, diagnostics, strict=strict)
        self.workflow = workflow
        self.input = type_of_schema(workflow.input_schema, widened=True)
        self.output = type_of_schema(workflow.output_schema)
        self.variables = {each.name: variable_type(each) for each in workflow.variables}
        self.events = {
            each.name: type_of_schema(each.schema, widened=True)
            for each in workflow.events
            if each.schema is not None
        }
        self.errors = {
            each.name: type_of_schema(each.schema) for each in workflow.errors if each.schema is not None
        }
        self.base = Env()

    # Calls ------------------------------------------------------------------------------------

    def call(self, step: model.Call, env: Env) -> Type:
        """An activity's result, by its contract."""
        self.json(step.arguments, env)
        self.needs(step.idempotency_key, env, IDEMPOTENCY_KEY)
        self.needs(step.heartbeat, env, LENGTH)
        if step.fairness_key is not None:
            self.json(step.fairness_key, env)
        self.limited(step.concurrency, env)
        contract = self.catalog.activities.get(step.activity)
        if contract is None:
            return DYN
        self.arguments(step, contract)
        return contract.result

    def arguments(self, step: model.Call, contract: Contract) -> None:
        """Notes arguments that can never be of the types of the parameters."""
        value, place = step.arguments, step.arguments_span or step.activity_span
        if value is None or not contract.parameters:
            return
        given = opened(value)
        schemas = contract.schemas
        if len(contract.parameters) == 1:
            ((name, wanted),) = contract.parameters.items()
            self.argument(step, value, name, wanted, schemas.get(name))
        elif isinstance(given, ast.MapValue):
            places = {each.name: each.value_span for each in step.argument_places}
            for name, each in given.entries:
                wanted, at = contract.parameters.get(name, DYN), places.get(name, place)
                self.given(each, wanted, f"{step.activity}.{name}", at, "PD704", schemas.get(name))
        else:
            wanted = object_of(contract.parameters, contract.required)
            self.given(value, wanted, step.activity, place, "PD704")

    def argument(self, step: model.Call, value: ast.Value, name: str, wanted: Type, schema: Any) -> None:
        """The argument of an activity's only parameter, which gets the whole value.

        Whoever writes a map with the parameter's name in it has most likely meant the value of that.
        """
        what, place = f"{step.activity}.{name}", step.arguments_span or step.activity_span
        given = opened(value)
        declared = any(isinstance(each, Object) and name in each.fields for each in members(wanted))
        if declared or not isinstance(given, ast.MapValue) or name not in dict(given.entries):
            self.given(value, wanted, what, place, "PD704", schema)
            return
        hint = f"an activity's only parameter gets all of 'with': write here what {quote(name)} is to be"
        if not fits(self.known(value), wanted):
            message = f"{what} expects {describe(wanted)}, got map"
            self.diagnostics.add("PD704", message, place, hint=hint)
            return
        before = self.diagnostics.errors
        self.given(value, wanted, what, place, "PD704", schema)
        if self.diagnostics.errors == before:
            at = next((each.span for each in step.argument_places if each.name == name), place)
            message = f"{quote(step.activity)} gets this whole map as {quote(name)}"
            self.diagnostics.add("PD818", message, at, hint=hint)

    def limited(self, limit: model.KeyLimit | None, env: Env) -> None:
        """``concurrency``."""
        if limit is not None:
            self.json(limit.key, env)
            self.needs(limit.limit, env, COUNT)

    def child(self, step: model.CallWorkflow | model.StartWorkflow, env: Env) -> Type:
        """A child, or another workflow that is started."""
        self.needs(step.instance_id, env, INSTANCE_ID)
        for _, value in step.child_tags:
            self.json(value, env)
        return self.started(step, env)

    def compensate(self, step: model.Step, undo: model.Compensate | None, value: Type, env: Env) -> None:
        """``compensate``: it sees ``step``, and after a success the value of the step."""
        if undo is None:
            return
        inner = Env(env, step=STEP)
        if undo.on == "success" and step.name is not None:
            inner.add(step.name, value)
        action = undo.action
        self.needs(action.timeout, inner, LENGTH)
        self.retry(undo.retry, inner)
        match action:
            case model.Call():
                self.call(action, inner)
            case model.CallWorkflow():
                self.child(action, inner)
            case model.CallEntity():
                self.operation(action, inner)

    def retry(self, retry: model.Retry | None, env: Env) -> None:
        """A retry policy; one of the header stands outside of all blocks."""
        if retry is None:
            return
        around = env if retry.policy is None else self.base
        self.needs(retry.attempts, around, COUNT)
        self.needs(retry.delay, around, LENGTH)
        self.needs(retry.max_delay, around, LENGTH)
        self.needs(retry.when, Env(around, error=ERROR), CONDITION)

    # Statements and waits ---------------------------------------------------------------------

    def leaf(self, step: model.Step, env: Env) -> Type:
        """A step that has neither blocks nor anything to call."""
        match step:
            case model.NameValue() | model.Output() | model.SetCustomStatus():
                return self.json(step.value, env)
            case model.Return():
                self.json(step.value, env)
                self.fit(step.value, self.output, "the workflow's output", step.span)
                return NEVER
            case model.Set():
                self.assign(step, env)
            case model.Wait():
                self.needs(step.duration, env, LENGTH)
                self.needs(step.until, env, MOMENT)
            case model.Raise():
                self.raised(step, env)
                return NEVER
            case model.ContinueAsNew():
                self.json(step.input, env)
                self.given(
                    step.input,
                    self.input,
                    "the workflow's input",
                    step.span,
                    schema=self.workflow.input_schema,
                )
                return NEVER
            case model.Log():
                self.needs(step.message, env, MESSAGE)
                self.json(step.fields, env)
            case model.SendEvent():
                self.needs(step.to, env, INSTANCE_ID)
                self.json(step.arguments, env)
            case model.Cancel():
                self.needs(step.instance, env, INSTANCE_ID)
                self.needs(step.reason, env, MESSAGE)
            case _:
                pass
        return NULL

    def assign(self, step: model.Set, env: Env) -> None:
        """``set``: each value can be one of its variable."""
        spans = step.name_spans or (step.span,) * len(step.values)
        for (name, value), span in zip(step.values, spans, strict=True):
            self.json(value, env)
            self.fit(value, self.variables.get(name, DYN), f"the variable {quote(name)}", span)

    def raised(self, step: model.Raise, env: Env) -> None:
        """``raise``: data as its error declares it."""
        if not isinstance(step.error, str):
            self.needs(step.error, env, FAILURE)
            return
        self.needs(step.message, env, MESSAGE)
        self.json(step.cause, env)
        self.json(step.data, env)
        if step.data is not None and step.error in self.errors:
            self.fit(step.data, self.errors[step.error], f"the data of {step.error}", step.span)

    def targets(self, entities: Iterable[model.EntityTarget] | ast.Value, env: Env) -> None:
        """What ``lock_entities`` locks."""
        if isinstance(entities, tuple):
            for each in entities:
                self.needs(each.key, env, ENTITY_KEY)
        elif isinstance(entities, ast.Value):
            self.needs(entities, env, LOOPED)

    def event_type(self, step: model.WaitForEvent) -> tuple[Type, bool]:
        """The payload, and whether the value is a list of them."""
        return self.events.get(step.event, DYN), step.count is not None or step.until is not None

    def wait_for_event(self, step: model.WaitForEvent, env: Env) -> Type:
        """The payload, or the list of payloads; what ``on_timeout`` gives is not in it."""
        payload, gathers = self.event_type(step)
        self.needs(step.timeout, env, LENGTH)
        self.needs(step.count, env, COUNT)
        inner = Env(env, event=payload)
        self.needs(step.correlate, inner, CONDITION)
        self.needs(step.until, inner, CONDITION)
        return list_of(payload) if gathers else payload
