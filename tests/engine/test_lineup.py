"""The order in which what waits for a thread gets one."""

from __future__ import annotations

from perdure.engine.lineup import Lineup


def emptied(lineup: Lineup[str]) -> list[str]:
    """Everything, in order."""
    return [lineup.take() for _ in range(len(lineup))]


def test_first_come_first_served() -> None:
    """Without priorities and keys."""
    lineup = Lineup[str]()
    for item in "abc":
        lineup.add(item)
    assert emptied(lineup) == ["a", "b", "c"]


def test_a_larger_priority_goes_first() -> None:
    """Also when it comes late."""
    lineup = Lineup[str]()
    lineup.add("a")
    lineup.add("b", -1)
    lineup.add("c", 5)
    assert lineup.take() == "c"
    lineup.add("d", 5)
    assert emptied(lineup) == ["d", "a", "b"]


def test_keys_take_turns() -> None:
    """Within a priority, however much each of them has."""
    lineup = Lineup[str]()
    for item in ("a1", "a2", "a3", "b1", "b2"):
        lineup.add(item, 0, item[0])
    assert lineup.take() == "a1"
    lineup.add("c1", 0, "c")
    assert emptied(lineup) == ["b1", "a2", "c1", "b2", "a3"]


def test_it_is_empty_when_cleared() -> None:
    """Nothing of it comes back."""
    lineup = Lineup[str]()
    lineup.add("a")
    lineup.clear()
    lineup.add("b")
    assert emptied(lineup) == ["b"]
