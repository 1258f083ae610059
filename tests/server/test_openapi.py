"""The OpenAPI document: whole, valid, and the same that is kept in ``schemas/``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from perdure.engine.access import Role
from perdure.server import app as application
from perdure.server.operation import ANYBODY, Operation, Parameter, json_answer, operations_in, paths, route
from tests.checkout import ROOT
from tests.server.hub import API

KEPT = ROOT / "schemas" / "http-api-v1.openapi.json"
FINE = {200: json_answer("It is.", dict[str, Any])}


async def _no_text(request: Request) -> Response:
    return Response()


async def _fine(request: Request) -> Response:
    """It does."""
    return Response()


def test_every_route_is_described() -> None:
    """In the document as in the table, each with its role; nothing answers that is not there."""
    document = application.document()
    for path in application.ROUTES:
        for method, role in path.roles.items():
            described = document["paths"][path.path][method.lower()]
            assert described["summary"]
            assert described["security"] == ([] if role is None else [{"key": [role.word]}])
    assert sum(len(each) for each in document["paths"].values()) == len(application.OPERATIONS) >= 55
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("endpoint", "path", "said", "problem"),
    [
        (_no_text, "/new", {"answers": FINE}, "no docstring"),
        (_fine, "/new", {"answers": {}}, "does not say what it answers"),
        (_fine, "/new/{id}", {"answers": FINE}, "describes the pieces"),
        (
            _fine,
            "/new",
            {"answers": FINE, "pieces": [Parameter(name="id", text="An id.")]},
            "describes the pieces",
        ),
        (_fine, "/new", {"answers": FINE, "query": [Parameter(name="q", text="")]}, "without a description"),
    ],
)
def test_a_route_that_says_too_little_does_not_start(
    endpoint: Any, path: str, said: dict[str, Any], problem: str
) -> None:
    """The program that loads it stops."""
    with pytest.raises(ValueError, match=problem):
        route("GET", path, Role.VIEWER, tag="Server", **said)(endpoint)


def test_a_route_says_its_role() -> None:
    """That anybody may ask is said as well; nothing is left to be guessed."""
    with pytest.raises(TypeError, match="role"):
        route("GET", "/new", tag="Server", answers=FINE)(_fine)  # type: ignore[call-arg]


def test_a_route_is_there_once() -> None:
    """Two that answer the same are a mistake."""
    each = route("GET", "/new", ANYBODY, tag="Server", answers=FINE)(_fine)
    assert isinstance(each, Operation)
    with pytest.raises(ValueError, match="twice"):
        paths([each, each])


def test_every_operation_of_a_module_is_found() -> None:
    """None is forgotten: the table is what the modules of ``server/routes`` define."""
    modules = [each.stem for each in (ROOT / "server" / "routes").glob("*.py") if each.stem != "__init__"]
    found = {id(each) for each in application.OPERATIONS}
    for name in modules:
        module = getattr(application, name)
        there = operations_in([module])
        assert there, name
        assert {id(each) for each in there} <= found


def test_the_server_shows_it_to_anybody(http: TestClient) -> None:
    """At the root as well."""
    answer = http.get(f"{API}/openapi.json")
    assert answer.json() == application.document() == http.get("/openapi.json").json()


def test_it_is_what_is_kept(pytestconfig: pytest.Config) -> None:
    """A change of what is promised is seen in review; ``nox -s bless`` writes it."""
    text = json.dumps(application.document(), indent=1, ensure_ascii=False) + "\n"
    if pytestconfig.getoption("update_snapshots"):
        KEPT.write_text(text, encoding="utf-8")
    assert text == KEPT.read_text(encoding="utf-8")


def test_it_is_openapi() -> None:
    """Its schemas are schemas, and what it refers to is there."""
    document = application.document()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in _references(document):
        at: Any = document
        for name in reference.removeprefix("#/").split("/"):
            at = at[name]


def _references(document: Any) -> list[str]:
    if isinstance(document, list):
        return [each for item in document for each in _references(item)]
    if not isinstance(document, dict):
        return []
    own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
    return own + [each for item in document.values() for each in _references(item)]
