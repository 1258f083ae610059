"""What every store must do for schedules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perdure.engine.audit import entry
from perdure.engine.errors import FenceLost, Refused
from perdure.engine.instance import slot_of
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditQuery, Batch, ScheduleRow, ScheduleWrite
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import ALL, BEGIN, Hub, definition, message


def schedule(name: str = "order", **more: Any) -> ScheduleRow:
    """A row that is due."""
    fields: dict[str, Any] = {
        "slot": slot_of(name), "workflow": name, "number": 0, "version": "1", "program": "p1",
        "cron": "0 2 * * *", "timezone": "UTC", "overlap": "skip", "due": BEGIN,
    }  # fmt: skip
    return ScheduleRow(id=name, **{**fields, **more})


def new(row: ScheduleRow) -> ScheduleWrite:
    """Insert it."""
    return ScheduleWrite(id=row.id, row=row, before=None)


def changed(row: ScheduleRow, **more: Any) -> ScheduleWrite:
    """Its next revision."""
    following = msgspec.structs.replace(row, revision=row.revision + 1, **more)
    return ScheduleWrite(id=row.id, row=following, before=row.revision)


class ScheduleConformance(Fixtures):
    """Rows with a revision, found by when they are due."""

    def test_rows_come_back_as_they_were_written(self, store: Store) -> None:
        """Each field, by id and all in order."""
        rows = [
            schedule("a", catch_up=5, paused=True, due=None, progress='{"after":1}'),
            schedule("b", timezone="Europe/London", revision=0),
        ]
        store.commit(Batch(worker="w1", schedules=tuple(map(new, reversed(rows)))))
        assert store.schedules() == rows
        assert (store.schedule("b"), store.schedule("c")) == (rows[1], None)

    def test_those_that_are_due_come_earliest_first(self, store: Store) -> None:
        """Not what is paused, later, or of other slots."""
        rows = [
            schedule("late", due=BEGIN + 1), schedule("now"), schedule("early", due=0),
            schedule("never", due=None),
        ]  # fmt: skip
        store.commit(Batch(worker="w1", schedules=tuple(map(new, rows))))
        assert [row.id for row in store.due_schedules(ALL, 10)] == ["early", "now"]
        assert [row.id for row in store.due_schedules(ALL, 1)] == ["early"]
        assert [row.id for row in store.due_schedules([slot_of("now")], 10)] == ["now"]

    def test_the_next_that_is_delayed_is_the_earliest_after_a_time(self, store: Store) -> None:
        """A message or a schedule, in one's slots; nothing that is held or never due."""
        assert store.next_delayed(ALL, 0) is None
        rows = [schedule("never", due=None), schedule("late", due=BEGIN + 9)]
        messages = (message("m0"), message("m1", due=BEGIN + 5), message("m2", due=BEGIN + 1, held=True))
        store.commit(Batch(worker="w1", schedules=tuple(map(new, rows)), messages=messages))
        assert [store.next_delayed(ALL, BEGIN + n) for n in (4, 5, 9)] == [BEGIN + 5, BEGIN + 9, None]
        others = set(ALL) - {slot_of("i1")}
        assert store.next_delayed(others, 0) == BEGIN + 9
        assert store.next_delayed([], 0) is None

    def test_a_change_needs_the_revision_that_was_seen(self, store: Store) -> None:
        """Else nothing of the batch is written: no start without the move that belongs to it."""
        row = schedule()
        store.commit(Batch(worker="w1", schedules=(new(row),)))
        store.commit(Batch(worker="w1", schedules=(changed(row, due=7),)))
        stale = Batch(worker="w1", schedules=(changed(row, due=9),), messages=(message("m1"),))
        with pytest.raises(Refused):
            store.commit(stale)
        found = store.schedule("order")
        assert found is not None
        assert (found.due, found.revision) == (7, 1)
        assert store.inbox(ALL, 10) == []

    def test_one_that_is_there_is_not_inserted_again(self, store: Store) -> None:
        """Two owners that see the same definition make one row."""
        store.commit(Batch(worker="w1", schedules=(new(schedule()),)))
        with pytest.raises(Refused):
            store.commit(Batch(worker="w1", schedules=(new(schedule()),)))

    def test_a_deletion_is_guarded_as_well(self, store: Store) -> None:
        """What has changed since it was seen stays."""
        row = schedule()
        store.commit(Batch(worker="w1", schedules=(new(row),)))
        with pytest.raises(Refused):
            store.commit(Batch(worker="w1", schedules=(ScheduleWrite(id=row.id, row=None, before=1),)))
        store.commit(Batch(worker="w1", schedules=(ScheduleWrite(id=row.id, row=None, before=0),)))
        assert store.schedules() == []

    def test_who_is_no_member_moves_nothing(self, store: Store) -> None:
        """A worker that was declared dead starts nothing."""
        with pytest.raises(FenceLost):
            store.commit(Batch(worker="w9", schedules=(new(schedule()),)))
        assert store.schedules() == []

    def test_an_operators_change_is_audited_with_it(self, store: Store) -> None:
        """Both, or neither."""
        row = schedule()
        store.commit(Batch(worker="w1", schedules=(new(row),)))
        act = entry("ann", "schedule.pause", "order")
        store.change_schedule(changed(row, paused=True, due=None), act)
        with pytest.raises(Refused):
            store.change_schedule(changed(row, paused=False), act)
        found = store.schedule("order")
        assert found is not None
        assert found.paused
        assert len(store.audit(AuditQuery(target="order"))) == 1

    def test_active_workflows_are_listed(self, store: Store) -> None:
        """The active version of each, no entity."""
        store.deploy(
            [(definition("1"), "{}"), (definition("1", "Counter", kind="entity", program="e"), "{}")]
        )
        store.deploy([(definition("2"), "{}")])
        assert store.active_workflows() == [("order", "2", "p2", BEGIN)]

    def test_a_version_is_active_since_it_was_activated_again(self, store: Store, hub: Hub) -> None:
        """Both by name and by deploying it once more; it stays so while nothing changes."""
        store.deploy([(definition("1"), "{}")])
        store.deploy([(definition("2"), "{}")])
        hub.clock.now += 5
        store.activate("order", "1", entry("ann", "definition.activate", "order@1"))
        assert store.active_workflows() == [("order", "1", "p1", BEGIN + 5)]
        hub.clock.now += 5
        store.deploy([(definition("1"), "{}")])
        assert store.active_workflows() == [("order", "1", "p1", BEGIN + 5)]
        store.deploy([(definition("2"), "{}")])
        assert store.active_workflows() == [("order", "2", "p2", BEGIN + 10)]
