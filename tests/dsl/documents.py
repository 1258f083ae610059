"""One-line factories for the tests of the language."""

from __future__ import annotations

from perdure.dsl import Document, Loaded, Source, load

HEADER = "dsl: perdure/1\nname: case\nversion: 1.0.0\n"


def loaded(text: str) -> Loaded:
    """What ``load`` makes of a text."""
    return load(Source("case.yaml", text))


def given_workflow(body: str, header: str = "") -> Document:
    """The workflow with these steps, which must be without errors."""
    found = loaded(f"{HEADER}{header}do:\n{body}")
    assert found.ok, found.diagnostics
    return found.documents[0]


def codes(text: str) -> list[str]:
    """The codes of everything that is found in a text."""
    return [each.code for each in loaded(text).diagnostics]
