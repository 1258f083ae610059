"""Which instances a list has, and in which order: promises of every store."""

from __future__ import annotations

import pytest

from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Condition, InstanceQuery
from tests.engine.store.factory import BEGIN, batch, first_turn, instance


class ListingConformance:
    """Four instances: ``a`` to ``d``, of which ``b`` and ``d`` have ended."""

    @pytest.fixture
    def listed(self, store: Store) -> Store:
        """The store with them."""
        rows = [
            instance("a", created_at=BEGIN, tags={"team": "x", "tier": "1"}, version="1.0.0"),
            instance("b", created_at=BEGIN + 2, ended_at=BEGIN + 9, status=Status.FAILED, version="1.2.0"),
            instance("c", created_at=BEGIN + 1, tags={"team": "y"}, parent_id="a", version="2.0.0"),
            instance(
                "d",
                created_at=BEGIN + 3,
                ended_at=BEGIN + 5,
                status=Status.COMPLETED,
                name="pay",
                version="1.0.0",
            ),
        ]
        store.commit(batch(*[first_turn(each.id, instance=each) for each in rows]))
        return store

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Condition(field="id", values=("a", "d")), "ad"),
            (Condition(field="id", values=("a", "d"), negated=True), "bc"),
            (Condition(field="id", values=("a",), prefixes=("d", "z")), "ad"),
            (Condition(field="id", prefixes=("\U0010ffff",)), ""),
            (Condition(field="id"), ""),
            (Condition(field="id", negated=True), "abcd"),
            (Condition(field="name", values=("pay",)), "d"),
            (Condition(field="version", prefixes=("1.",), negated=True), "c"),
            (Condition(field="status", values=("Failed", "Completed")), "bd"),
            (Condition(field="parent_id", values=("a",)), "c"),
            (Condition(field="parent_id", values=("a",), negated=True), "abd"),
            (Condition(field="parent_id", prefixes=("",), negated=True), "abd"),
            (Condition(field="tag.team", values=("x", "y")), "ac"),
            (Condition(field="tag.team", values=("x",), negated=True), "bcd"),
            (Condition(field="tag.team", prefixes=("",)), "ac"),
            (Condition(field="tag.team", prefixes=("",), negated=True), "bd"),
            (Condition(field="tag.nothing", values=("x",)), ""),
            (Condition(field="created_at", compares=">=", time=BEGIN + 2), "bd"),
            (Condition(field="created_at", compares="<", time=BEGIN + 2), "ac"),
            (Condition(field="created_at", compares=">", time=BEGIN + 2), "d"),
            (Condition(field="created_at", compares="<=", time=BEGIN + 2, negated=True), "d"),
            (Condition(field="ended_at", compares=">", time=BEGIN), "bd"),
            (Condition(field="ended_at", compares=">", time=BEGIN, negated=True), "ac"),
            (Condition(field="ended_at", prefixes=("",)), "bd"),
        ],
    )
    def test_a_condition_holds(self, listed: Store, condition: Condition, expected: str) -> None:
        """What is absent has no text and no time."""
        found = listed.instances(InstanceQuery(where=(condition,), order="id", ascending=True))
        assert "".join(each.id for each in found) == expected

    def test_a_prefix_may_be_of_the_last_character(self, store: Store) -> None:
        """Nothing comes behind what begins with it."""
        names = ["\U0010fffe", "\U0010ffff", "\U0010ffffx"]
        rows = [instance(f"i{number}", name=name) for number, name in enumerate(names)]
        store.commit(batch(*[first_turn(each.id, instance=each) for each in rows]))
        condition = Condition(field="name", prefixes=("\U0010ffff",))
        found = store.instances(InstanceQuery(where=(condition,), order="id", ascending=True))
        assert [each.id for each in found] == ["i1", "i2"]

    def test_all_conditions_hold_together(self, listed: Store) -> None:
        """Each narrows the list."""
        conditions = (Condition(field="id", prefixes=("a", "c")), Condition(field="tag.team", values=("y",)))
        assert [each.id for each in listed.instances(InstanceQuery(where=conditions))] == ["c"]

    @pytest.mark.parametrize(
        ("order", "ascending", "expected"),
        [
            ("created_at", False, "dbca"),
            ("created_at", True, "acbd"),
            ("ended_at", False, "bd"),
            ("ended_at", True, "db"),
            ("id", False, "dcba"),
            ("id", True, "abcd"),
        ],
    )
    def test_an_order_holds_over_pages(
        self, listed: Store, order: str, ascending: bool, expected: str
    ) -> None:
        """Each page begins behind the last row of the one before."""
        seen, after = "", None
        while page := listed.instances(InstanceQuery(order=order, ascending=ascending, after=after, limit=1)):
            seen += page[0].id
            after = (getattr(page[0], order), page[0].id)
        assert seen == expected
