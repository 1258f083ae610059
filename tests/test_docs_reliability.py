"""What the page on reliability names is there."""

from __future__ import annotations

import ast
import re

from tests.checkout import ROOT

PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`", PAGE)))


def test_the_tests_that_it_names_are_there() -> None:
    """Each file or folder, and the function in it."""
    assert len(NAMED) > 30
    for path, function in NAMED:
        found = ROOT / path
        assert found.exists(), path
        if function:
            tree = ast.walk(ast.parse(found.read_text(encoding="utf-8")))
            assert function in {each.name for each in tree if isinstance(each, ast.FunctionDef)}, function


def test_every_promise_has_tests() -> None:
    """At least two each."""
    rows = re.findall(r"(?m)^\| (I\d+) \|.*$", PAGE)
    assert rows == [f"I{number}" for number in range(1, 14)]
    for line in PAGE.splitlines():
        if re.match(r"\| I\d+ \|", line):
            assert len(re.findall(r"`tests/", line)) >= 2, line
