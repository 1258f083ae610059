"""What a notice says, without a database."""

from __future__ import annotations

import pytest

from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.notices import ALL_SLOTS, Notice, notice_in

EVERYTHING = Notice(ALL_SLOTS, tasks=True, members=True, definitions=True)


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        (Notice(), " "),
        (Notice(frozenset({17, 3})), " 3,17"),
        (Notice(ALL_SLOTS, tasks=True), "t *"),
        (Notice(members=True, definitions=True), "md "),
        (EVERYTHING, "tmd *"),
    ],
)
def test_a_notice_is_read_as_it_was_meant(notice: Notice, text: str) -> None:
    """All of it is in a short text."""
    assert notice.text() == text
    assert notice_in(text) == notice


@pytest.mark.parametrize("text", ["t 1,x", "! ?"])
def test_a_notice_that_cannot_be_read_is_about_everything(text: str) -> None:
    """It is better to look in vain."""
    assert notice_in(text) == EVERYTHING


def test_notices_are_put_together() -> None:
    """What one of two says, both together say."""
    both = Notice(frozenset({1}), tasks=True) | Notice(frozenset({2}), members=True)
    assert both == Notice(frozenset({1, 2}), tasks=True, members=True)
    assert both.without(frozenset({1, 2})) == Notice(tasks=True, members=True)
    assert [bool(both), bool(Notice())] == [True, False]


def test_a_store_without_notices_says_so() -> None:
    """Whoever uses it looks for itself."""
    store = MemoryStore()
    store.listen(lambda _members: None)()
    assert not store.listening
