"""What every store promises of entities."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.errors import FenceLost, Refused
from perdure.engine.instance import slot_of
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import EntityQuery, EntityRow, EntityWrite
from tests.engine.store.factory import ALL, BEGIN, SECOND, batch, message, request


def entity(type: str = "Counter", key: str = "a", **more: Any) -> EntityRow:
    """An entity with a state."""
    id_ = f"@{type}@{key}"
    fields: dict[str, Any] = {
        "id": id_,
        "slot": slot_of(id_),
        "type": type,
        "key": key,
        "incarnation": f"{id_}-1",
        "version": 1,
        "created_at": BEGIN,
        "updated_at": BEGIN,
        "state": "1",
    }
    return EntityRow(**{**fields, **more})


def inserted(row: EntityRow) -> EntityWrite:
    """The first write of an entity."""
    return EntityWrite(id=row.id, before=None, row=row)


def written(row: EntityRow, incarnation: str = "@Counter@a-1", version: int = 1) -> EntityWrite:
    """A later one, of a row that is as it is said to be."""
    return EntityWrite(id=row.id, before=(incarnation, version), row=row)


class EntityConformance:
    """Rows of entities: one writer, guarded by version, found by type, key and time."""

    def test_an_entity_is_what_was_written_last(self, store: Store) -> None:
        """All of the row but its address may change, even the incarnation."""
        first = entity()
        store.commit(batch(entities=(inserted(first),)))
        assert store.load_entities(["@Counter@a", "@Counter@b", "@Counter@a"]) == [first]
        more: dict[str, Any] = {"state": None, "lock": "{}", "task": "{}", "updated_at": BEGIN + 5}
        second = entity(version=2, **more)
        store.commit(batch(entities=(written(second),)))
        assert store.load_entities([first.id]) == [second]
        third = entity(incarnation="other", version=1, created_at=BEGIN + 9)
        store.commit(batch(entities=(written(third, version=2),)))
        assert store.load_entities([first.id]) == [third]
        store.commit(batch(entities=(EntityWrite(id=first.id, before=("other", 1), row=None),)))
        assert store.load_entities([first.id]) == []

    @pytest.mark.parametrize(
        "write",
        [
            inserted(entity()),
            written(entity(version=3), version=2),
            written(entity(version=2), incarnation="other"),
            written(entity("Counter", "b"), version=1),
            EntityWrite(id="@Counter@a", before=("@Counter@a-1", 7), row=None),
        ],
    )
    def test_an_entity_that_is_not_as_it_was_refuses_the_batch(
        self, store: Store, write: EntityWrite
    ) -> None:
        """The row is there already, or has another version or incarnation, or is gone: nothing is written."""
        store.commit(batch(entities=(inserted(entity()),)))
        with pytest.raises(Refused):
            store.commit(batch(entities=(inserted(entity("Other")), write), messages=(message(),)))
        assert store.load_entities(["@Counter@a", "@Other@a"]) == [entity()]
        assert store.inbox(ALL, 10) == []

    def test_who_is_no_member_writes_no_entity(self, store: Store) -> None:
        """The fence holds for entities too."""
        with pytest.raises(FenceLost):
            store.commit(batch(worker="w9", entities=(inserted(entity()),)))
        assert store.load_entities(["@Counter@a"]) == []

    def test_entities_are_listed_by_type_and_key(self, store: Store) -> None:
        """In order of code points, those with a state only, a page at a time."""
        rows = [entity("A", "z"), entity("B", "é"), entity("B", "x"), entity("B", "a", state=None)]
        store.commit(batch(entities=tuple(map(inserted, rows))))
        assert [row.id for row in store.entities(EntityQuery())] == ["@A@z", "@B@x", "@B@é"]
        assert [row.id for row in store.entities(EntityQuery(type="B"))] == ["@B@x", "@B@é"]
        assert [row.id for row in store.entities(EntityQuery(limit=1))] == ["@A@z"]
        assert [row.id for row in store.entities(EntityQuery(after=("A", "z"), limit=1))] == ["@B@x"]
        assert store.entities(EntityQuery(type="B", after=("B", "é"))) == []

    @pytest.mark.parametrize(
        ("prefix", "keys"),
        [("ab", ["ab", "abc", "ab\U0010ffff"]), ("ab\U0010ffff", ["ab\U0010ffff"]), ("x", []), ("", None)],
    )
    def test_entities_are_found_by_the_begin_of_their_keys(
        self, store: Store, prefix: str, keys: list[str] | None
    ) -> None:
        """Whatever characters follow."""
        all_ = ["a", "ab", "abc", "ab\U0010ffff", "ac", "b"]
        store.commit(batch(entities=tuple(inserted(entity(key=key)) for key in all_)))
        found = store.entities(EntityQuery(type="Counter", key_prefix=prefix))
        assert [row.key for row in found] == (all_ if keys is None else keys)

    def test_entities_are_found_by_the_time_of_their_last_write(self, store: Store) -> None:
        """Both ends belong to the range."""
        rows = [entity(key=str(number), updated_at=BEGIN + number * SECOND) for number in range(4)]
        store.commit(batch(entities=tuple(map(inserted, rows))))
        found = store.entities(EntityQuery(updated_from=BEGIN + SECOND, updated_to=BEGIN + 2 * SECOND))
        assert [row.key for row in found] == ["1", "2"]

    def test_a_posted_message_needs_no_instance(self, store: Store) -> None:
        """An entity is there when it is spoken to; the request makes the message repeatable."""
        asked = request(answer="")
        assert store.post(message(to="@Counter@a"), asked) is None
        assert store.post(message("m2", to="@Counter@a"), asked) == asked
        assert [each.id for each in store.inbox(ALL, 10)] == ["m1"]

    def test_a_request_is_answered_later(self, store: Store) -> None:
        """The answer comes with the commit of the effect; without a row there is nobody to tell."""
        store.post(message(to="@Counter@a"), request(answer=""))
        store.commit(batch(replies=(request(answer="7"), request("k2", answer="8"))))
        key = ("start", "i1", "k1")
        assert store.look_up([], [], [key, ("start", "i1", "k2")]).requests == {key: request(answer="7")}

    def test_a_request_is_forgotten(self, store: Store) -> None:
        """Then it can be made anew; forgetting it twice is once."""
        store.post(message(to="@Counter@a"), request())
        store.forget_request("start", "i1", "k1")
        store.forget_request("start", "i1", "k1")
        assert store.look_up([], [], [("start", "i1", "k1")]).requests == {}
