"""No text, however damaged, gives anything but a diagnostic, in bounded time and memory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.checkout import ROOT
from tests.fuzz import documents, expressions, guided, requests, stored, words, worker
from tests.fuzz.campaign import KINDS, Campaign, run

COUNTS = {
    "documents": 6_000,
    "expressions": 6_000,
    "stored": 82_000,
    "words": 200_000,
    "requests": 6_000,
}
"""300,000 in all."""
PARTS = 4


@pytest.mark.parametrize("kind", ["documents", "expressions"])
def test_mutated_texts_are_answered(kind: str) -> None:
    """Some hundreds of each kind; ``python -m tests.fuzz`` examines as many as one likes."""
    assert run(Campaign(kind, 1, 0, 300)).findings == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_inputs_are_answered(kind: str, part: int) -> None:
    """No crash, none takes more than a second or 256 MiB, and what is read is what was written."""
    size = COUNTS[kind] // PARTS
    assert run(Campaign(kind, 2, part * size, size)).findings == []


def test_an_exception_is_found() -> None:
    """Whatever it is that a reader raises, and whatever it says is wrong."""
    assert worker._examined(lambda given: given["a"], {})[0] == "KeyError escaped: 'a'"
    assert worker._examined(lambda given: "another value", {})[0] == "another value"


@pytest.mark.slow
def test_an_input_is_the_same_every_time() -> None:
    """What a campaign finds can be looked at again."""
    numbers = range(50)
    assert [documents.document(3, n) for n in numbers] == [documents.document(3, n) for n in numbers]
    assert [expressions.case(3, n).text for n in numbers] == [expressions.case(3, n).text for n in numbers]
    for make in (stored.stored, words.word, requests.call):
        assert [make(3, n) for n in numbers] == [make(3, n) for n in numbers]


def test_every_route_is_asked() -> None:
    """Routes come from the application, so a new one is fuzzed with the others."""
    assert {("POST", "/api/v1/instances"), ("DELETE", "/api/v1/entities/{entity}")} <= set(requests.routes())
    asked = {requests.call(0, number).method for number in range(200)}
    assert {"GET", "POST", "PUT", "DELETE"} <= asked


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", guided.TARGETS)
def test_inputs_guided_by_coverage_are_answered(target: str) -> None:
    """Some hundred runs of atheris, where it is installed."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("NOT FUZZED BY COVERAGE: atheris is not installed (pip install -e '.[fuzz]')")
    command = [sys.executable, "-m", "tests.fuzz", "--atheris", target, "--runs", "500"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
