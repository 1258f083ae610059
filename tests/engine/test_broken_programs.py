"""Definitions that are stored and cannot be used: an older version has deployed them, or another hand.

What fails by them fails alone. It ended the worker's thread, and that of each next owner of the slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from perdure.compiler.encode import encode
from perdure.engine.client import Client
from perdure.engine.errors import UserError
from perdure.engine.linked import link, schema_check
from tests.engine.driver import Hub, compiled, deployment

BROKEN: Mapping[str, tuple[Any, str]] = {
    "pattern": ({"pattern": "("}, "text"),
    "nowhere": ({"$ref": "#nowhere"}, "text"),
    "itself": ({"$ref": "#"}, "text"),
    "type": ({"type": "wrong"}, "text"),
    "zero": ({"multipleOf": 0}, "5"),
    "no mapping": ({"properties": 5}, "{ price: 5 }"),
}
"""Schemas, and a value that each of them fails with."""
broken = pytest.mark.parametrize(("schema", "value"), BROKEN.values(), ids=BROKEN)


def deploy(hub: Hub, schema: Any, checked: str, value: str = "1") -> None:
    """Deploy a workflow ``child`` whose input or output has this schema; it returns the value."""
    text = f"{checked}: {{ schema: {{ description: any }} }}\ndo: [ return: {value} ]"
    program = compiled(f"dsl: perdure/1\nname: child\nversion: 1.0.0\n{text}").program
    changed = msgspec.structs.replace(program, **{f"{checked}_schema": schema})
    Client(hub.store).deploy([deployment(link(changed))])


@broken
def test_a_child_whose_stored_schema_is_broken_is_refused(hub: Hub, schema: Any, value: str) -> None:
    """Its parent hears of it as of any input that does not fit."""
    deploy(hub, schema, "input")
    hub.start(f"do: [ {{ go: {{ call_workflow: child, with: {value} }} }} ]")
    hub.start("do: [ return: 1 ]", id="other")
    hub.run()
    assert hub.status("other") == "Completed"
    assert hub.status() == "Failed"
    assert hub.error()["type"] == "perdure.Schema"


@broken
def test_an_output_whose_stored_schema_is_broken_fails_its_instance(
    hub: Hub, schema: Any, value: str
) -> None:
    """It ends, in place of being parked for a fault of ours."""
    deploy(hub, schema, "output", value)
    hub.start("do: [ { go: { call_workflow: child } } ]")
    hub.run()
    assert hub.status() == "Failed"


def test_a_client_is_told_that_a_stored_schema_is_broken(hub: Hub) -> None:
    """It is no internal error, which nobody could do anything about."""
    deploy(hub, BROKEN["pattern"][0], "input")
    with pytest.raises(UserError, match="its schema is broken"):
        Client(hub.store).start("child", "x")


def test_what_is_right_is_not_called_broken() -> None:
    """Only what raises is."""
    check = schema_check({"type": "object", "properties": {"id": {"pattern": "^[a-z]+$"}}})
    assert check({"id": "abc"}) is None
    assert check({"id": "ABC"}) == "id: 'ABC' does not match '^[a-z]+$'"


def test_a_stored_program_that_cannot_be_made_ready_parks_its_instance() -> None:
    """Whatever is raised by it."""
    hub = Hub()
    program = compiled("do: [ return: 1 ]")
    hub.store.pin(program.digest, encode(msgspec.structs.replace(program.program, input_schema=7)))
    hub.start(program)
    hub.start("do: [ return: 2 ]", id="other")
    hub.run()
    assert hub.status("other") == "Completed"
    assert hub.status() == "Suspended"
    assert (hub.instance().reason or "").startswith(f"program: program {program.digest}: TypeError: ")
