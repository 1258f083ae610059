"""What clients ask and see."""

from __future__ import annotations

import pytest

from perdure.engine.errors import Conflict, Ended, NotFound, Refused, StoreError
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Checkpoint, InstanceQuery
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    Hub,
    batch,
    definition,
    first_turn,
    instance,
    message,
    payload,
    request,
    row,
    turn,
)


class ClientConformance(Fixtures):
    """What clients beside the owner do."""

    def test_a_new_definition_is_active(self, empty: Store) -> None:
        """With its Program."""
        assert empty.deploy([(definition(), '{"p":1}')]) == [None]
        assert empty.definitions() == [definition()]
        assert empty.program("p1") == '{"p":1}'

    def test_deploying_the_same_again_says_what_is_there(self, empty: Store) -> None:
        """Nothing changes."""
        empty.deploy([(definition(), "{}")])
        assert empty.deploy([(definition(created_at=BEGIN + 1, source="x"), "{}")]) == [definition()]
        assert empty.definitions() == [definition()]

    def test_a_version_never_changes(self, empty: Store) -> None:
        """Other content under the same version is not stored, and activates nothing."""
        empty.deploy([(definition("1"), "{}")])
        empty.deploy([(definition("2"), "{}")])
        assert empty.deploy([(definition("1", digest="other"), "{}")]) == [definition("1", active=False)]
        assert empty.look_up([], [("order", None)], []).definitions == {("order", None): definition("2")}

    def test_the_version_deployed_last_is_active(self, empty: Store) -> None:
        """An old one can become so again."""
        empty.deploy([(definition("1"), "{}")])
        empty.deploy([(definition("2"), "{}")])
        assert empty.deploy([(definition("1"), "{}")]) == [definition("1", active=False)]
        assert [(one.version, one.active) for one in empty.definitions()] == [("2", False), ("1", True)]

    def test_definitions_are_listed_newest_first(self, empty: Store) -> None:
        """Within a name; of all names or one."""
        for version, name, at in (("1", "b", 1), ("2", "b", 3), ("9", "b", 2), ("1", "a", 0)):
            empty.deploy([(definition(version, name, created_at=at), "{}")])
        listed = [(one.name, one.version) for one in empty.definitions()]
        assert listed == [("a", "1"), ("b", "2"), ("b", "9"), ("b", "1")]
        assert [one.version for one in empty.definitions("b")] == ["2", "9", "1"]

    def test_activating_leaves_other_names_alone(self, empty: Store) -> None:
        """Each name has its active version."""
        empty.deploy([(definition("1", "a"), "{}")])
        empty.deploy([(definition("1", "b"), "{}")])
        assert [one.active for one in empty.definitions()] == [True, True]

    def test_a_file_is_deployed_whole_or_not_at_all(self, empty: Store) -> None:
        """When one version has other content already, its neighbours are not stored either."""
        empty.deploy([(definition("1", "a"), "{}")])
        entries = [(definition("1", "b"), "{}"), (definition("1", "a", digest="other"), "{}")]
        assert empty.deploy(entries) == [None, definition("1", "a")]
        assert [one.name for one in empty.definitions()] == ["a"]

    def test_a_program_is_pinned_once(self, empty: Store) -> None:
        """The digest says what it is."""
        empty.pin("p9", "first")
        empty.pin("p9", "second")
        assert (empty.program("p9"), empty.program("p8")) == ("first", None)

    def test_a_start_is_a_row_an_input_and_a_message(self, empty: Store) -> None:
        """All in one transaction."""
        pending = instance(status=Status.PENDING, tags={"a": "1"})
        assert empty.start(pending, payload(), message(), None) is None
        assert empty.instance("i1") == pending
        assert empty.payloads("i1") == {"input": '"in"'}
        assert empty.inbox(ALL, 10) == [message()]

    def test_an_id_is_started_once(self, empty: Store) -> None:
        """The second start changes nothing, and its request was not carried out."""
        empty.start(instance(), payload(), message(), None)
        with pytest.raises(Conflict):
            empty.start(instance(name="other"), payload("2"), message("m2"), request())
        assert empty.look_up([], [], [("start", "i1", "k1")]).requests == {}
        assert empty.inbox(ALL, 10) == [message()]

    def test_a_repeated_start_gives_the_first_answer(self, empty: Store) -> None:
        """Under one key there is one effect."""
        assert empty.start(instance(), payload(), message(), request()) is None
        again = empty.start(instance("i2"), payload(of="i2"), message("m2", "i2"), request(answer="a2"))
        assert again == request()
        assert empty.instance("i2") is None

    def test_a_start_with_a_used_message_id_leaves_nothing(self, empty: Store) -> None:
        """Refused as a whole."""
        empty.start(instance(), payload(), message(), None)
        with pytest.raises(Refused):
            empty.start(instance("i2"), payload(of="i2"), message(to="i2"), None)
        assert (empty.instance("i2"), empty.payloads("i2")) == (None, {})

    def test_a_sent_message_is_in_the_inbox(self, empty: Store) -> None:
        """Behind those before it."""
        empty.start(instance(), payload(), message("z"), None)
        assert empty.send(message("a"), None) is None
        assert [one.id for one in empty.inbox(ALL, 10)] == ["z", "a"]

    def test_nothing_is_sent_to_nobody(self, empty: Store) -> None:
        """Nor is the request recorded."""
        with pytest.raises(NotFound):
            empty.send(message(), request())
        assert empty.look_up([], [], [("start", "i1", "k1")]).requests == {}

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED])
    def test_nothing_is_sent_to_what_has_ended(self, empty: Store, status: Status) -> None:
        """However it ended."""
        empty.start(instance(status=status), payload(), message(), None)
        with pytest.raises(Ended):
            empty.send(message("m2"), None)

    def test_a_repeated_send_gives_the_first_answer(self, store: Store) -> None:
        """Even when the instance has ended since."""
        store.commit(batch(first_turn()))
        assert store.send(message(), request()) is None
        done = instance(status=Status.COMPLETED)
        store.commit(
            batch(turn("i1", row(first_seq=2), consumed=("m1",), before=Status.RUNNING, instance=done))
        )
        assert store.send(message(), request(answer="a2")) == request()
        assert store.inbox(ALL, 10) == []

    def test_keys_belong_to_a_route_and_a_target(self, empty: Store) -> None:
        """The same key elsewhere is another request."""
        empty.start(instance(), payload(), message(), request())
        assert empty.send(message("m2"), request(route="send")) is None
        assert empty.send(message("m3"), request(target="i2")) is None

    def test_what_is_not_there_is_none(self, empty: Store) -> None:
        """An unknown instance has no row, no payloads and no history."""
        assert (empty.instance("i1"), empty.payloads("i1"), empty.history("i1", 1, 0, 9)) == (None, {}, [])

    def test_instances_are_listed_newest_first(self, store: Store) -> None:
        """By creation, then by id."""
        store.commit(batch(*_several()))
        assert _ids(store, InstanceQuery()) == ["d", "c", "b", "a"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (InstanceQuery(statuses=(Status.FAILED,)), ["c"]),
            (InstanceQuery(statuses=(Status.FAILED, Status.RUNNING)), ["d", "c", "a"]),
            (InstanceQuery(name="pay"), ["d", "b"]),
            (InstanceQuery(name="pay", statuses=(Status.RUNNING,)), ["d"]),
            (InstanceQuery(tags=(("team", "x"),)), ["c", "a"]),
            (InstanceQuery(tags=(("team", "x"), ("tier", "1"))), ["a"]),
            (InstanceQuery(tags=(("team", "1"),)), []),
            (InstanceQuery(created_from=BEGIN + 1), ["d", "c", "b"]),
            (InstanceQuery(created_to=BEGIN + 1), ["c", "b", "a"]),
            (InstanceQuery(created_from=BEGIN + 1, created_to=BEGIN + 1), ["c", "b"]),
            (InstanceQuery(id_prefix="b"), ["b"]),
            (InstanceQuery(id_prefix="ba"), []),
            (InstanceQuery(limit=2), ["d", "c"]),
            (InstanceQuery(after=(BEGIN + 1, "c")), ["b", "a"]),
            (InstanceQuery(after=(BEGIN, "a")), []),
        ],
    )
    def test_instances_are_filtered(self, store: Store, query: InstanceQuery, expected: list[str]) -> None:
        """All conditions hold together; both ends of a range belong to it."""
        store.commit(batch(*_several()))
        assert _ids(store, query) == expected

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_pages_neither_overlap_nor_leave_gaps(self, store: Store, size: int) -> None:
        """Walked with the last row of each page, while newer instances come."""
        store.commit(batch(*_several()))
        seen: list[str] = []
        after = None
        while page := store.instances(InstanceQuery(after=after, limit=size)):
            seen += [one.id for one in page]
            after = (page[-1].created_at, page[-1].id)
            new = f"new{len(seen)}"
            store.commit(batch(first_turn(new, instance=instance(new, created_at=BEGIN + 99))))
        assert seen == ["d", "c", "b", "a"]

    def test_changed_tags_are_found(self, store: Store) -> None:
        """And those that were are not."""
        store.commit(batch(first_turn(instance=instance(tags={"team": "x", "tier": "1"}))))
        changed = instance(tags={"team": "y"})
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=changed)))
        found = [
            _ids(store, InstanceQuery(tags=(tag,))) for tag in (("team", "x"), ("tier", "1"), ("team", "y"))
        ]
        assert found == [[], [], ["i1"]]

    def test_history_is_read_in_pages(self, store: Store) -> None:
        """From a number on, up to a limit."""
        store.commit(batch(first_turn(), *(turn("i1", row(first_seq=seq)) for seq in (2, 4, 10))))
        assert [one.first_seq for one in store.history("i1", 1, 2, 2)] == [2, 4]
        assert [one.first_seq for one in store.history("i1", 1, 5, 2)] == [10]

    def test_a_client_sees_what_another_wrote(self, hub: Hub, store: Store) -> None:
        """As soon as it is committed."""
        other = hub.connect()
        store.commit(batch(first_turn()))
        assert other.instance("i1") == instance()

    def test_a_message_of_a_client_is_news(self, hub: Hub, store: Store) -> None:
        """The hint comes once."""
        store.commit(batch(first_turn()))
        store.changed()
        hub.connect().send(message(), None)
        assert [store.changed(), store.changed()] == [True, False]

    def test_a_closed_store_says_so(self, empty: Store) -> None:
        """To whoever reads or writes; closing twice is closing."""
        empty.close()
        empty.close()
        with pytest.raises(StoreError):
            empty.instance("i1")
        with pytest.raises(StoreError):
            empty.pin("p", "{}")


def _several() -> list[Checkpoint]:
    """Four instances, of which two were created in the same microsecond."""
    rows = [
        instance("a", tags={"team": "x", "tier": "1"}),
        instance("b", created_at=BEGIN + 1, name="pay", status=Status.COMPLETED),
        instance("c", created_at=BEGIN + 1, tags={"team": "x"}, status=Status.FAILED),
        instance("d", created_at=BEGIN + 2, name="pay"),
    ]
    return [first_turn(one.id, instance=one) for one in rows]


def _ids(store: Store, query: InstanceQuery) -> list[str]:
    return [one.id for one in store.instances(query)]
