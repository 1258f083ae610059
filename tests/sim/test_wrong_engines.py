"""A wrong engine is one line of the right one, changed: the line must be there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.sim.mutants import ALL


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_engine_changes_what_stands_in_the_right_one_once(name: str) -> None:
    """Else nobody sees that it cannot be made any more before a campaign begins."""
    for change in ALL[name].changes:
        found = find_spec(change.module)
        assert found is not None, change.module
        assert found.origin is not None, change.module
        text = Path(found.origin).read_text("utf-8")
        assert text.count(change.old) == 1, (
            f"{change.module} has it {text.count(change.old)} times: {change.old}"
        )
        assert change.new != change.old
