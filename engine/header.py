"""What the expressions of a header say: the tags of a new instance, and the answers to queries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from perdure.compiler.runtime import EvalError
from perdure.engine.events import ExecutionStarted
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine, workflow_value


def instance_tags(
    program: LinkedProgram, instance_id: str, started: ExecutionStarted, now: int
) -> dict[str, str]:
    """The tags of an instance that starts so: the header's, and over them those that ``started`` has.

    The header's see the input and ``workflow``, with the tags that were given. They are computed once, and
    recorded with the start. Raises ``EvalError``.
    """
    if not program.tags:
        return started.tags
    values = SimpleNamespace(
        input=program.input_value(started.input), workflow=workflow_value(instance_id, started, now)
    )
    found: dict[str, str] = {}
    for name, code in program.tags.items():
        try:
            found[name] = code({}, values)
        except EvalError as error:
            line, column = error.position or program.program.places.get("tags", (1, 1))
            message = f"{program.program.file}:{line}:{column}: the tag {name!r}: {error.message}"
            raise EvalError(error.kind, message) from None
    return {**found, **started.tags}


def answer(machine: Machine, name: str) -> Any:
    """The value of a query, by the state of a machine that has begun. Raises ``EvalError``."""
    env = machine.env
    values = SimpleNamespace(input=env.input, vars=machine.state.variables, workflow=env.workflow)
    return machine.program.queries[name]({}, values)
