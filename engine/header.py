"""What the expressions of a header say: the tags of a new instance, and the answers to queries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine.events import ExecutionStarted
from perdure.engine.instance import Instance
from perdure.engine.keys import row_key
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine, workflow_value
from perdure.engine.store.rows import WAITING

MAX_TAG = 2_000
"""Bytes of a tag's value."""


def instance_tags(
    program: LinkedProgram, instance_id: str, started: ExecutionStarted, now: int
) -> dict[str, str]:
    """The tags of an instance that starts so: the header's, and over them those that ``started`` has.

    The header's see the input and ``workflow``, with the tags that were given. They are computed once, and
    recorded with the start. Raises ``EvalError``.
    """
    if not program.tags:
        return _fit(started.tags)
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
    return _fit({**found, **started.tags})


def _fit(tags: dict[str, str]) -> dict[str, str]:
    """The tags, if an index of every database holds them. Raises ``EvalError``."""
    for name, value in tags.items():
        if "\0" in value or len(value.encode("utf-8", "surrogatepass")) > MAX_TAG:
            problem = f"has U+0000, or more than {MAX_TAG} bytes"
            raise EvalError("value", f"the tag {name!r} {problem}: a database cannot look for it")
    return tags


def with_place(program: LinkedProgram, instance: Instance, started: ExecutionStarted, now: int) -> Instance:
    """The row of an instance that starts so, with the header's ``concurrency``: it waits for a place.

    Raises ``EvalError``.
    """
    wanted = program.concurrency
    if wanted is None or started.chunk is not None:
        return instance
    values = SimpleNamespace(
        input=program.input_value(started.input), workflow=workflow_value(instance.id, started, now)
    )
    try:
        key = wanted.key({}, values)
        limit = wanted.limit if isinstance(wanted.limit, int) else wanted.limit({}, values)
    except EvalError as error:
        raise _at(program, "concurrency", error, error.message) from None
    if limit < 1:
        problem = EvalError("value", f"a limit of {limit} lets nothing run")
        raise _at(program, "concurrency", problem, problem.message)
    return msgspec.structs.replace(
        instance, concurrency_key=row_key(key), concurrency_limit=limit, waits=True
    )


def start_due(instance: Instance, due: int = 0) -> int:
    """When the first message of a new instance is due, while it waits for a place."""
    return due + WAITING if instance.waits else due


def _at(program: LinkedProgram, key: str, error: EvalError, message: str) -> EvalError:
    line, column = error.position or program.program.places.get(key, (1, 1))
    return EvalError(error.kind, f"{program.program.file}:{line}:{column}: {key}: {message}")


def answer(machine: Machine, name: str) -> Any:
    """The value of a query, by the state of a machine that has begun. Raises ``EvalError``."""
    env = machine.env
    values = SimpleNamespace(input=env.input, vars=machine.state.variables, workflow=env.workflow)
    return machine.program.queries[name]({}, values)
