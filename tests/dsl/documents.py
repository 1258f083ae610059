"""One-line factories for the tests of the language."""

from __future__ import annotations

from perdure.dsl import Loaded, Source, load
from perdure.dsl.cases import Cases
from perdure.dsl.model import Entity, Workflow

HEADER = "dsl: perdure/1\nname: case\nversion: 1.0.0\n"


def loaded(text: str) -> Loaded:
    """What ``load`` makes of a text."""
    return load(Source("case.yaml", text))


def given_workflow(body: str, header: str = "") -> Workflow:
    """The workflow with these steps, which must be without errors."""
    found = loaded(f"{HEADER}{header}do:\n{body}")
    assert found.ok, found.diagnostics
    return found.workflows[0]


def given_entity(rest: str) -> Entity:
    """The entity with this state and these operations, which must be without errors."""
    found = loaded(f"dsl: perdure/1\nkind: entity\nname: Case\nversion: 1.0.0\n{rest}")
    assert found.ok, found.diagnostics
    return found.entities[0]


def given_cases(cases: str) -> Cases:
    """The test document with these cases, which must be without errors."""
    found = loaded(f"dsl: perdure/1\nkind: test\nworkflow: case\ncases:\n{cases}")
    assert found.ok, found.diagnostics
    (document,) = found.documents
    assert isinstance(document, Cases)
    return document


def codes(text: str) -> list[str]:
    """The codes of everything that is found in a text."""
    return [each.code for each in loaded(text).diagnostics]
