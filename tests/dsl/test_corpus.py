"""The language as data: ``corpus/ok`` is clean, ``corpus/err`` gives exactly what stands beside each file."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from perdure.dsl import Source, format_diagnostics, load
from perdure.dsl.diagnostics import CODES, Collector
from perdure.dsl.forms import plain
from perdure.dsl.nodes import MapNode
from perdure.dsl.reader import read
from perdure.dsl.schema import schema

CORPUS = Path(__file__).parents[1] / "corpus"
GOOD = sorted((CORPUS / "ok").glob("*.yaml"))
BAD = sorted((CORPUS / "err").glob("*.yaml"))
ELSEWHERE = {
    "PD100",
    "PD109",
    "PD111",
    "PD112",
    "PD701",
    "PD702",
    "PD703",
    "PD704",
    "PD812",
    "PD813",
    "PD814",
    "PD818",
    "PD900",
}
"""Codes of files that are made by their tests, and of checks that need more than a file."""


def source(path: Path) -> Source:
    """The text of a case under its short name."""
    return Source(path.name, path.read_text("utf-8"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_documents_are_clean(path: Path) -> None:
    """Nothing at all is said about the documents of ``corpus/ok``."""
    found = load(source(path))
    assert format_diagnostics(found.diagnostics, [source(path)]) == ""
    assert found.documents


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_editors_accept_good_documents(path: Path) -> None:
    """The JSON Schema alone, as editors use it, accepts what the loader accepts."""
    for document in read(source(path), Collector(path.name)):
        assert isinstance(document.root, MapNode)
        jsonschema.Draft7Validator(schema()).validate(plain(document.root))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_documents_are_explained(path: Path, pytestconfig: pytest.Config) -> None:
    """The full rendering of the diagnostics of a bad document is the golden beside it."""
    golden = path.with_suffix(".out")
    shown = format_diagnostics(load(source(path)).diagnostics, [source(path)])
    if pytestconfig.getoption("update_snapshots"):
        golden.write_text(shown, "utf-8")
    assert shown == golden.read_text("utf-8")


def test_every_code_has_a_case() -> None:
    """Each code of the registry appears in a golden, or in a test of its own that is named here."""
    shown = "".join(path.read_text("utf-8") for path in (CORPUS / "err").glob("*.out"))
    assert {code for code in CODES if f"[{code}]" not in shown} == ELSEWHERE
