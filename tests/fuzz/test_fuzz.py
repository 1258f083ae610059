"""No text, however damaged, gives anything but a diagnostic, in bounded time and memory."""

from __future__ import annotations

import pytest

from tests.fuzz import documents, expressions
from tests.fuzz.campaign import KINDS, Campaign, run


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_texts_are_answered(kind: str) -> None:
    """Some hundreds of each kind; ``python -m tests.fuzz`` examines as many as one likes."""
    assert run(Campaign(kind, 1, 0, 300)).findings == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_texts_are_answered(kind: str) -> None:
    """Some thousands more of each kind."""
    assert run(Campaign(kind, 2, 0, 6_000)).findings == []


@pytest.mark.slow
def test_an_input_is_the_same_every_time() -> None:
    """What a campaign finds can be looked at again."""
    numbers = range(50)
    assert [documents.document(3, n) for n in numbers] == [documents.document(3, n) for n in numbers]
    assert [expressions.case(3, n).text for n in numbers] == [expressions.case(3, n).text for n in numbers]
