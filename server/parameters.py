"""Pieces of paths and query parameters that several routes have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perdure.engine.cursors import MAX_LIMIT
from perdure.engine.instance import ENDED, Status
from perdure.server.bodies import DURATION_PATTERN
from perdure.server.operation import Parameter

FLAG = {"anyOf": [{"type": "boolean"}, {"const": ""}], "default": False}
"""The bare name means true."""
TIME = {"type": "string", "format": "date-time"}
DURATION = {"type": "string", "pattern": DURATION_PATTERN}
NAME = {"type": "string", "minLength": 1}
TEXT = {"type": "string"}


def limit(default: int) -> Parameter:
    """How long a page is."""
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": default}
    return Parameter(name="limit", text="Items of a page.", schema=schema)


def required(parameter: Parameter) -> Parameter:
    """The same, and it has to be there."""
    return replace(parameter, required=True)


def piece(name: str, text: str, schema: dict[str, Any] | None = None) -> Parameter:
    """A piece of a path, percent-encoded."""
    return Parameter(name=name, text=text, schema=schema or NAME, required=True)


CURSOR = Parameter(
    name="cursor",
    text="Where the page begins: `next` of the page before.",
    schema={"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"},
)
WAIT = Parameter(name="wait", text="Answer when the instance has ended, or after so long.", schema=DURATION)
DRY_RUN = Parameter(name="dry_run", text="Change nothing, and say what would be.", schema=FLAG)
REASON = Parameter(name="reason", text="Kept in the audit.")
STATUS = Parameter(
    name="status",
    text="One of these statuses, in any case of letters; may stand several times.",
    schema={"type": "string", "enum": [str(each) for each in Status]},
    several=True,
)
ENDED_STATUS = Parameter(
    name="status",
    text="One of these statuses; may stand several times.",
    schema={"type": "string", "enum": sorted(ENDED)},
    several=True,
)
TAG = Parameter(
    name="tag",
    text="With this tag, `key:value`; may stand several times, once for each key.",
    schema={"type": "string", "pattern": "^[^:]+:"},
    several=True,
)
WORKFLOW = Parameter(name="name", text="Of this workflow.", schema=TEXT)
Q = Parameter(
    name="q",
    text="That this query fits: `status:Failed workflow:order created>-7d tag.team:x -id:test-*`.",
    schema={"type": "string", "format": "perdure-query", "maxLength": 4096},
    example="status:Failed created>-7d",
)

TO_INSTANCE = {"/instances/{id}": {"id": "$response.body#/id"}}
"""Where one goes on from an instance's document."""
TO_FIRST_INSTANCE = {"/instances/{id}": {"id": "$response.body#/items/0/id"}}

INSTANCE = piece("id", "The instance's id.")
EVENT = piece("name", "The name of the event.")
STEP = piece("step", "The step's name, or its path.")
PAYLOAD = piece("key", "The key of a value, as the history shows it.")
TOKEN = piece("token", "What the activity handed over.")
NUMBER = piece("number", "The number of the dead letter.", {"type": "integer", "minimum": 1})
SCHEDULE = piece("id", "The schedule's id: the workflow's name, or `NAME:2` for its second entry.")
ENTITY = piece("entity", "`TYPE@KEY`.", {"type": "string", "pattern": "^[^@]+@.+$"})
QUEUE = piece(
    "name", "The name of the queue.", {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,127}$"}
)
OPERATION = piece("operation", "The name of the operation.")
REFERENCE = piece("reference", "`NAME@VERSION`.", {"type": "string", "pattern": "^[^@]+@.+$"})
