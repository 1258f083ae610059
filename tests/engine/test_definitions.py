"""Versions of a definition: which one starts, which ones start nothing, and what a new one breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perdure.compiler.ir import Program
from perdure.engine.client import Client, Deployment
from perdure.engine.compatibility import BreakingChange, breaks, may_break
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.store.memory import MemoryStore
from tests.engine.driver import compiled

HEAD = "dsl: perdure/1\nname: order\nversion: %s\n"
BODY = "do: [ return: ok ]"


def entry(version: str, text: str = BODY) -> Deployment:
    """A version of the workflow ``order``."""
    source = HEAD % version + text
    program = compiled(source).program
    return Deployment(name="order", version=version, digest=source, program=program, source=source)


@pytest.fixture
def client() -> Client:
    """A client of an empty hub."""
    return Client(MemoryStore())


def active(client: Client) -> str | None:
    """The version that a start means."""
    return next((each["version"] for each in client.definitions("order") if each["active"]), None)


# -- choosing ---------------------------------------------------------------------------------------


def test_a_version_is_deployed_without_being_started(client: Client) -> None:
    """``activate`` makes it the one that a start means, and says whether that changed something."""
    client.deploy([entry("1.0.0")])
    assert client.deploy([entry("1.1.0")], activate=False)[0]["active"] is False
    assert (active(client), client.start("order")["version"]) == ("1.0.0", "1.0.0")
    assert client.activate("order", "1.1.0")["changed"] is True
    assert client.activate("order", "1.1.0")["changed"] is False
    assert client.start("order")["version"] == "1.1.0"


def test_a_retired_version_starts_nothing(client: Client) -> None:
    """Neither by its number nor as the active one; deploying it again does not bring it back."""
    client.deploy([entry("1.0.0")])
    started = client.start("order")["id"]
    assert client.retire("order", "1.0.0")["changed"] is True
    assert client.retire("order", "1.0.0")["changed"] is False
    with pytest.raises(NotFound, match="no version of 'order' is active"):
        client.start("order")
    with pytest.raises(Conflict, match=r"order@1\.0\.0 is retired") as caught:
        client.start("order@1.0.0")
    assert caught.value.code == "retired"
    row = client.deploy([entry("1.0.0")])[0]
    assert (row["outcome"], row["active"], active(client)) == ("unchanged", False, None)
    assert client.instance(started)["status"] == "Pending"


def test_deploying_an_old_version_again_activates_it_and_is_audited(client: Client) -> None:
    """Nobody finds another version active without finding out who did it."""
    client.deploy([entry("1.0.0"), entry("1.1.0")])
    assert [row["outcome"] for row in client.deploy([entry("1.0.0"), entry("1.1.0")])] == ["unchanged"] * 2
    assert client.deploy([entry("1.0.0")], dry_run=True)[0]["outcome"] == "activated"
    assert client.deploy([entry("1.0.0")], activate=False)[0]["outcome"] == "unchanged"
    assert client.deploy([entry("1.0.0")])[0]["outcome"] == "activated"
    assert [(each["action"], each["target"]) for each in client.audit()["items"]] == [
        ("definition.activate", "order@1.0.0"),
        ("definition.deploy", "order@1.1.0"),
        ("definition.deploy", "order@1.0.0"),
    ]


def test_an_activated_version_is_retired_no_more(client: Client) -> None:
    """So a mistake can be put right."""
    client.deploy([entry("1.0.0")])
    client.retire("order", "1.0.0")
    client.activate("order", "1.0.0")
    assert client.start("order")["version"] == "1.0.0"


def test_what_is_not_there_cannot_be_chosen(client: Client) -> None:
    """An unknown version is not found, and nothing is audited."""
    for verb in (client.activate, client.retire):
        with pytest.raises(NotFound, match=r"no definition 'order@9\.0\.0'"):
            verb("order", "9.0.0")
    assert client.audit()["items"] == []


def test_choices_are_audited(client: Client) -> None:
    """Who deployed, activated and retired what; what changed nothing is not told."""
    client.deploy([entry("1.0.0")])
    client.deploy([entry("1.0.0")])
    client.acting("ada").retire("order", "1.0.0")
    client.retire("order", "1.0.0")
    client.acting("bob").activate("order", "1.0.0")
    told = [(each["actor"], each["action"], each["target"]) for each in client.audit()["items"]]
    assert told == [
        ("bob", "definition.activate", "order@1.0.0"),
        ("ada", "definition.retire", "order@1.0.0"),
        ("local", "definition.deploy", "order@1.0.0"),
    ]


# -- breaking ---------------------------------------------------------------------------------------

QUERIES = "queries: { left: '${ input }' }\n"


def test_a_break_needs_a_major_version_or_a_word(client: Client) -> None:
    """It is refused, and nothing is stored; a new major number or ``allow_breaking`` lets it pass."""
    client.deploy([entry("1.0.0", QUERIES + BODY)])
    for dry_run in (True, False):
        with pytest.raises(BreakingChange, match="query 'left' is removed") as caught:
            client.deploy([entry("1.1.0")], dry_run=dry_run)
        assert caught.value.breaks == ["query 'left' is removed"]
    assert len(client.definitions("order")) == 1
    assert client.deploy([entry("2.0.0")], dry_run=True)[0]["breaks"] == ["query 'left' is removed"]
    assert client.deploy([entry("1.1.0")], allow_breaking=True)[0]["breaks"] == ["query 'left' is removed"]
    assert active(client) == "1.1.0"


@pytest.mark.parametrize(
    ("before", "version", "may"),
    [
        ("1.2.3", "1.9.0", False),
        ("1.2.3", "2.0.0", True),
        ("0.1.0", "0.1.9", False),
        ("0.1.0", "0.2.0", True),
        ("2.0.0", "1.9.0", False),
        ("1.0.0", "1.1.0-rc.1", True),
    ],
)
def test_the_number_says_whether_it_may_break(before: str, version: str, may: bool) -> None:
    """As the range ``^`` has it; a pre-release promises nothing."""
    assert may_break(before, version) is may


def found(old: str, new: str) -> list[str]:
    """What the second header or body breaks of the first."""
    before, after = entry("1.0.0", old).program, entry("1.1.0", new).program
    assert isinstance(before, Program)
    assert isinstance(after, Program)
    return breaks(before, after)


def inputs(old: Any, new: Any) -> list[str]:
    """What a new schema of the input breaks."""
    texts = [f"input: {{ schema: {json.dumps(each)} }}\n{BODY}" for each in (old, new)]
    return found(*texts)


ANY: dict[str, Any] = {}
TEXT = {"type": "string"}
A_FIELDS = {"a": {"type": "integer"}}
A = {"type": "object", "properties": A_FIELDS}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (ANY, TEXT, "must be string now"),
        ({"type": ["string", "null"]}, TEXT, "may not be null any more"),
        (A, {**A, "required": ["a"]}, "'a' is required now"),
        ({"type": "number"}, {"type": "integer"}, "may not be number any more"),
        (A, {"type": "object", "properties": {"a": TEXT}}, "a: may not be integer any more"),
        (A, {**A, "additionalProperties": False}, "other fields are not allowed any more"),
        (
            {**A, "additionalProperties": False},
            {"type": "object", "additionalProperties": False},
            "'a' is removed",
        ),
        ({"enum": [1, 2]}, {"enum": [1, 3]}, "may not be 2 any more"),
        (TEXT, {**TEXT, "enum": ["a"]}, "must be one of a few values now"),
        ({**TEXT, "maxLength": 5}, {**TEXT, "maxLength": 4}, "'maxLength' is 4 now"),
        (TEXT, {**TEXT, "minLength": 1}, "'minLength' is 1 now"),
        (TEXT, {**TEXT, "pattern": "x"}, "'pattern' is another, and may allow less"),
        (
            {"type": "array", "items": {"type": ["string", "null"]}},
            {"type": "array", "items": TEXT},
            "[]: may not be null any more",
        ),
    ],
)
def test_a_narrower_input_is_told(old: Any, new: Any, told: str) -> None:
    """What some caller may give is not taken any more."""
    assert inputs(old, new) == [f"input: {told}"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TEXT, ANY),
        (TEXT, {"type": ["string", "null"]}),
        ({"type": "integer"}, {"type": "number"}),
        ({**A, "required": ["a"]}, A),
        (A, {**A, "title": "Order"}),
        (A, {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}}),
        ({**A, "additionalProperties": False}, {**A, "properties": {**A_FIELDS, "b": TEXT}}),
        ({"enum": [1]}, {"enum": [1, 2]}),
        ({**TEXT, "maxLength": 4}, {**TEXT, "maxLength": 5}),
    ],
)
def test_a_wider_input_breaks_nothing(old: Any, new: Any) -> None:
    """Every input that was taken is taken still."""
    assert inputs(old, new) == []


def test_events_and_activities_are_compared() -> None:
    """Events that are awaited, what they may hold, and the names of an activity's arguments."""
    wait = "do: [ e: { wait_for_event: %s, timeout: 1h } ]"
    assert found(wait % "Go", BODY) == ["event 'Go' is removed"]
    declared = "events: { Go: { schema: { type: %s } } }\n" + wait % "Go"
    assert found(declared % "number", declared % "string") == ["event 'Go': may not be number any more"]
    call = "do: [ c: { call: Charge, with: { %s } } ]"
    assert found(call % "a: 1", call % "a: 1, b: 2") == [
        "activity 'Charge' is called with other arguments: a, b, and not a"
    ]
    assert found(call % "a: 1, b: 2", call % "b: 1, a: 3") == []
