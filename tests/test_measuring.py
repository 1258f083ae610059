"""What counts of a run whose coverage is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.measuring import ONLY, context_of

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("test", "context", "alone"),
    [
        ("engine/test_call.py", "engine", "engine"),
        ("engine/store/test_sqlite.py", "engine", "engine"),
        ("engine/test_saga_random.py", None, None),
        ("sim/test_linear.py", None, None),
        ("server/test_serve.py", "elsewhere", None),
        ("test_docs.py", "elsewhere", None),
    ],
)
def test_the_heart_is_held_by_what_is_near_to_it(
    test: str, context: str | None, alone: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by chance nor from far away; ``alone`` is what counts where the engine's tests alone do."""
    monkeypatch.delenv(ONLY, raising=False)
    assert context_of(HERE / test) == context
    monkeypatch.setenv(ONLY, "engine")
    assert context_of(HERE / test) == alone
