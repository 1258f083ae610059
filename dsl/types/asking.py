"""What is given to others: activities, workflows, operations of entities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.expr import ast
from perdure.dsl.expr.names import dotted_name
from perdure.dsl.source import Span
from perdure.dsl.types.catalog import Catalog
from perdure.dsl.types.constants import refused_constants
from perdure.dsl.types.json_schema import type_of_schema
from perdure.dsl.types.kinds import DYN, NULL, Object, Type, describe, fits
from perdure.dsl.types.positions import ENTITY_KEY, Env, Positions, where

Operations: TypeAlias = Callable[[str, str], "tuple[Type, Type] | None"]
"""From an entity's type and an operation to the types of its input and of its result, where it is known."""


class Asking(Positions):
    """Checks values that are given to what the catalog knows. ``strict`` also refuses what is not known."""

    def __init__(
        self, catalog: Catalog, operations: Operations, diagnostics: Collector, *, strict: bool
    ) -> None:
        super().__init__(diagnostics)
        self.catalog = catalog
        self.operations = operations
        self.strict = strict

    def given(
        self,
        value: ast.Value | None,
        wanted: Type,
        what: str,
        place: Span,
        code: str = "PD305",
        schema: Any = None,
    ) -> None:
        """Notes a checked value that can never fit, and with ``strict`` one that is not known to fit.

        Constants are compared with the values that ``schema`` lists, too.
        """
        if value is None:
            if not fits(NULL, wanted):
                message = f"{what} expects {describe(wanted)}, but there is no 'with'"
                self.diagnostics.add(code, message, place)
            return
        before = self.diagnostics.errors
        self.fit(value, wanted, what, place, code)
        if self.diagnostics.errors == before:
            for message in refused_constants(value, schema, what):
                self.diagnostics.add(code, message, place)
        if self.strict and wanted != DYN:
            self._unknown(value, wanted, what, place)

    def _unknown(self, value: ast.Value, wanted: Type, what: str, place: Span) -> None:
        if isinstance(value, ast.Embedded) and self.known(value) == DYN:
            name = dotted_name(value.expr)
            which = quote(name) if name else "this"
            message = f"{what} expects {describe(wanted)}, but the type of {which} is not known"
            hint = "give it a schema, or convert it, as in int(...) or string(...)"
            self.diagnostics.add("PD812", message, where(value, place), hint=hint)
        elif isinstance(value, ast.MapValue) and isinstance(wanted, Object):
            for name, each in value.entries:
                needed = wanted.fields.get(name, DYN)
                if needed != DYN:
                    self._unknown(each, needed, f"{what}.{name}", place)

    def operation(self, step: model.CallEntity | model.SignalEntity | model.Signal, env: Env) -> Type:
        """The result of an entity's operation, as far as it is known."""
        self.needs(step.entity.key, env, ENTITY_KEY)
        self.json(step.arguments, env)
        known = self.operations(step.entity.type, step.operation)
        if known is None:
            return DYN
        wanted, result = known
        what = f"{step.entity.type}.{step.operation}"
        self.given(step.arguments, wanted, what, step.operation_span, "PD502")
        return result

    def started(self, step: model.CallWorkflow | model.StartWorkflow | model.Launch, env: Env) -> Type:
        """The output of a workflow, as far as it is known."""
        self.json(step.arguments, env)
        known = self.catalog.workflows.get(step.workflow)
        if known is None:
            return DYN
        if known.input_schema is not None:
            wanted = type_of_schema(known.input_schema)
            self.given(
                step.arguments,
                wanted,
                f"the input of {step.workflow}",
                step.workflow_span,
                schema=known.input_schema,
            )
        return DYN if known.output_schema is None else type_of_schema(known.output_schema)
