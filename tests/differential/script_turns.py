"""Random batches: turns that begin, go on, replace, end and begin again, and all that goes with them."""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine.instance import ENDED, Instance, Status
from perdure.engine.store.rows import (
    Batch,
    Checkpoint,
    EntityWrite,
    HistoryRow,
    Parking,
    PayloadRow,
    ScheduleWrite,
    SubscriptionRow,
    TaskRow,
    TimerRow,
)
from tests.differential.calls import Call
from tests.differential.draw import ENTITIES, IDS, KEYS, QUEUES, SCHEDULES, Draw
from tests.engine.store.conformance_entities import entity
from tests.engine.store.factory import (
    SECOND,
    batch,
    dead_letter,
    instance,
    payload,
    row,
    subscription,
    task,
    timer,
    turn,
)

_ENDED = sorted(ENDED)
_LIVE = [status for status in Status if status not in ENDED and status != Status.CONTINUED_AS_NEW]


def new_instance(draw: Draw, id_: str, **more: Any) -> Instance:
    """One that nobody has seen; of those with a concurrency key some have to wait for a place."""
    key = draw.random.choice([None, None, "k", "l"])
    parent = draw.maybe(draw.id(), 25)
    fields: dict[str, Any] = {
        "name": draw.random.choice(["order", "order", "other"]),
        "status": Status.PENDING,
        "execution": f"{id_}-e{draw.number()}",
        "created_at": draw.now() - draw.random.randint(0, 2),
        "tags": {tag: draw.random.choice("xy") for tag in draw.sample(["team", "size"], 30)},
        "parent_id": parent,
        "chunk_of": draw.random.randint(1, 2) if parent is not None and draw.some(40) else None,
        "concurrency_key": key,
        "concurrency_limit": 0 if key is None else draw.random.randint(1, 2),
        "waits": key is not None and draw.some(80),
    }
    return instance(id_, **{**fields, **more})


class Turns(Draw):
    """What the owner of slots writes."""

    def commit(self) -> Call:
        given = self._batch()
        marks = [
            name
            for name in Batch.__struct_fields__
            if name not in {"worker", "checkpoints"} and getattr(given, name)
        ]
        turns = given.checkpoints
        marks += ["turns"] * bool(turns)
        marks += ["two turns of one"] * (len({each.id for each in turns}) < len(turns))
        for name in Checkpoint.__struct_fields__[6:]:
            if any(getattr(each, name) not in ((), None, False) for each in turns):
                marks.append(f"turns.{name}")
        return Call("commit", (given,), marks=tuple(marks))

    def _batch(self) -> Batch:
        ids = self.random.sample(IDS, self.random.choice([0, 1, 1, 2, 3]))
        turns = [self._turn(id_) for id_ in ids]
        if turns and self.some(15):
            turns += self._next(turns[-1])
        waiting = list(self.model._inbox)
        consumed = {id_ for each in turns for id_ in each.consumed}
        parked = IDS if self.some(10) else [id_ for id_ in IDS if id_ not in ids]
        return batch(
            *turns,
            worker=self.member(),
            parkings=self._parkings(parked),
            requests=(self.request(),) if self.some(8) else (),
            replies=(self.request(),) if self.some(20) else (),
            entities=self._entities() if self.some(30) else (),
            messages=tuple(self.new_message() for _ in range(self.random.randint(0, 2))),
            hold=tuple(id_ for id_ in self.sample(waiting, 10) if id_ not in consumed),
            unhold=((self.id(), self.random.randint(1, 2)),) if self.some(20) else (),
            discard=tuple(id_ for id_ in self.sample(waiting, 4) if id_ not in consumed),
            dead_letters=self._letters() if self.some(15) else (),
            adopt=self._adopted() if self.some(10) else (),
            audit=tuple(filter(None, [self.audited(self.id(), 10)])),
            schedules=self._schedules() if self.some(15) else (),
            trusted=(self.id(),) if self.some(20) else (),
            lease=self.random.randint(1, 60) * SECOND if self.some(20) else None,
        )

    def _letters(self) -> tuple[Any, ...]:
        id_ = self.id() if self.some(85) else self.random.choice(ENTITIES)
        kind = self.random.choice(["EventRaised"] * 5 + ["TaskScheduled"])
        execution = self.maybe(self.execution(id_), 30)
        return (dead_letter(f"m{self.number()}", id_, kind=kind, execution=execution, at=self.now()),)

    def _adopted(self) -> tuple[TaskRow, ...]:
        id_ = self.id()
        return (self._task(id_, self.execution(id_), self.random.randint(20, 40)),)

    def _schedules(self) -> tuple[ScheduleWrite, ...]:
        from tests.differential.script_clients import schedule_write

        return tuple(schedule_write(self, id_) for id_ in self.sample(SCHEDULES, 40))

    def _entities(self) -> tuple[EntityWrite, ...]:
        written = []
        for id_ in self.random.sample(ENTITIES, self.random.randint(1, 2)):
            _, type_, key = id_.split("@")
            present = self.model._entities.get(id_)
            before = None if present is None else (present.incarnation, present.version)
            if self.some(6):
                stale = ("other", 1) if before is None else (before[0], before[1] - 1)
                before = self.random.choice([None, ("other", 1), stale, stale])
            new = entity(type_, key, version=1 if before is None else before[1] + 1, updated_at=self.now())
            if before is None:
                new = msgspec.structs.replace(new, incarnation=f"in{self.number()}")
            if self.some(30):
                new = msgspec.structs.replace(new, state=None, lock="{}", task=self.maybe("t", 50))
            gone = before is not None and self.some(25)
            written.append(EntityWrite(id=new.id, before=before, row=None if gone else new))
        return tuple(written)

    def _parkings(self, ids: Any) -> tuple[Parking, ...]:
        rows = [row for id_ in ids if (row := self.model._instances.get(id_)) and not row.status.ended]
        present = [row for row in rows if self.some(8)]
        return tuple(
            Parking(
                instance=msgspec.structs.replace(found, status=Status.SUSPENDED, reason="parked"),
                before=found.status if self.some(92) else Status.PENDING,
            )
            for found in present
        )

    # -- one turn ---------------------------------------------------------------------------------

    def _turn(self, id_: str) -> Checkpoint:
        present = self.model._instances.get(id_)
        replaces = present is not None and present.status.ended and self.some(25)
        if present is None or replaces or self.some(2):
            return self._begin(id_, replaces=replaces)
        changed = self._changed(present) if self.some(60) else None
        generation = present.generation if changed is None else changed.generation
        rewrites = changed is not None and changed.generation == present.generation and self.some(6)
        execution = present.execution if self.some(97) else f"{id_}-e0"
        rows = [self._row(id_, present.generation, anew=rewrites)]
        if generation > present.generation:
            rows.append(self._row(id_, generation, anew=True))
        return turn(
            id_,
            *rows,
            execution=execution,
            before=present.status if self.some(97) else self.random.choice(_LIVE),
            instance=changed,
            rewrites=rewrites,
            payloads_dropped=self.sample(["output", "error", KEYS[0]], 40) if rewrites else (),
            forget_before=generation if generation > 1 and self.some(30) else None,
            **self._parts(id_, execution),
        )

    def _begin(self, id_: str, *, replaces: bool) -> Checkpoint:
        status = Status.RUNNING if self.some(60) else Status.PENDING
        new = new_instance(self, id_, status=status)
        parts = self._parts(id_, new.execution)
        if new.waits:
            parts["timers"] = parts["tasks"] = ()
        rows = [self._row(id_, 1, anew=True)] if not new.waits else []
        return turn(
            id_,
            *rows,
            execution=new.execution,
            instance=new,
            replaces=replaces or self.some(10),
            **parts,
        )

    def _next(self, before: Checkpoint) -> list[Checkpoint]:
        """One more turn of the same instance in the same batch: it ends what the first has begun.

        Not where the first one is refused for what is there already: a store may never write it.
        """
        present = self.model._timers.keys() | self.model._tasks.keys()
        opened = {(each.execution, each.seq) for each in before.timers}
        opened |= {(each.execution, each.seq) for each in before.tasks}
        if before.instance is None or before.instance.status.ended or not before.history or opened & present:
            return []
        last = before.history[-1]
        changed = msgspec.structs.replace(
            before.instance, status=self.random.choice([Status.RUNNING, Status.COMPLETED]), custom_status="2"
        )
        if changed.status.ended:
            changed = msgspec.structs.replace(changed, ended_at=self.now())
        following = row(before.id, last.next_seq, generation=last.generation, open=0)
        return [
            turn(
                before.id,
                following,
                execution=before.instance.execution,
                before=before.instance.status,
                instance=changed,
                timers_closed=tuple((each.execution, each.seq) for each in before.timers),
                tasks_closed=tuple((each.execution, each.seq) for each in before.tasks),
                subscriptions_closed=tuple((each.execution, each.number) for each in before.subscriptions),
            )
        ]

    def _changed(self, present: Instance) -> Instance:
        ends = self.some(30)
        status = self.random.choice(_ENDED if ends else [Status.RUNNING, Status.SUSPENDED])
        generation = present.generation + (not ends and self.some(15))
        execution = present.execution
        if generation > present.generation and self.some(50):
            execution = f"{present.id}-e{self.number()}"
        return msgspec.structs.replace(
            present,
            status=status,
            generation=generation,
            execution=execution,
            updated_at=self.now(),
            started_at=self.maybe(self.now(), 50),
            ended_at=self.now() - self.random.randint(0, 3) if ends else None,
            purge_at=self.maybe(self.now() + self.random.randint(-5, 9) * SECOND, 60) if ends else None,
            reason=self.maybe(self.text(), 20),
            custom_status=self.maybe(self.text(), 20),
            tags={tag: self.random.choice("xy") for tag in self.sample(["team", "size"], 30)},
            version=self.random.choice("12"),
        )

    def _parts(self, id_: str, execution: str) -> dict[str, Any]:
        mine = [one.id for _, one in self.model._inbox.values() if one.instance == id_]
        opened, closed = self._split(execution, self.model._timers)
        scheduled, ended = self._split(execution, self.model._tasks)
        numbers = [number for key, number in self.model._subscriptions if key == execution]
        return {
            "consumed": (*self.sample(mine, 40), *(("unknown",) if self.some(1) else ())),
            "payloads": self._payloads(id_) if self.some(25) else (),
            "timers": tuple(self._timer(id_, *key) for key in opened),
            "timers_closed": closed,
            "tasks": tuple(self._task(id_, *key) for key in scheduled),
            "tasks_closed": ended,
            "subscriptions": tuple(self._subscription(id_, execution) for _ in range(self.some(30))),
            "subscriptions_closed": tuple((execution, number) for number in numbers if self.some(20)),
            "unsubscribes": self.some(8),
        }

    def _timer(self, id_: str, execution: str, seq: int) -> TimerRow:
        due = self.now() + self.random.randint(-5, 30) * SECOND
        return msgspec.structs.replace(timer(seq, due, id_), execution=execution)

    def _task(self, id_: str, execution: str, seq: int) -> TaskRow:
        return task(
            seq,
            id_,
            execution=execution,
            deliveries=self.random.choice([0, 0, 0, 1, 2, 3]),
            due=self.time(),
            name=self.random.choice(["mail", "pay"]),
            queue=self.random.choice(["", "", *QUEUES, "@i", "@j"]),
            rank=self.random.randint(-1, 1),
            fairness_key=self.random.choice(["", "a", "b"]),
            concurrency_key=self.random.choice(["", "c", "d"]),
            concurrency_limit=self.random.randint(1, 2),
            heartbeat=self.random.choice([0, SECOND // 4, 5 * SECOND]),
            body=str(self.sample(KEYS, 20)),
        )

    def _subscription(self, id_: str, execution: str) -> SubscriptionRow:
        fields: dict[str, Any] = {
            "name": self.random.choice(["Paid", "Sent"]),
            "digest": self.random.choice(["d1", "d2"]),
            "op": self.random.randint(1, 2),
            "key": self.text(),
            "once": self.some(50),
        }
        number = self.number() if self.some(90) else 1
        return msgspec.structs.replace(subscription(number, id_, **fields), execution=execution)

    def _payloads(self, id_: str) -> tuple[PayloadRow, ...]:
        """What is kept whole, and perhaps what is kept apart."""
        name = self.random.choice(["input", "output", "error"])
        if self.some(60):
            return (payload(f'"{self.text()}"', id_, name),)
        key = self.random.choice(KEYS)
        apart = PayloadRow(
            instance=id_, key=key, value=f"{key[-1]} of {id_}", generation=self.random.choice([None, 1, 2])
        )
        return payload(key, id_, name), apart

    def _row(self, id_: str, generation: int, *, anew: bool) -> HistoryRow:
        rows = self.model._history.get((id_, generation), {})
        first = rows[max(rows)].next_seq if rows and self.some(97) and not anew else 0
        keys = self.sample(KEYS, 20)
        values = {key: f"{key[-1]} of {id_}" for key in keys if self.some(70)}
        open_ = self.random.randint(0, 1)
        begun = '["ExecutionStarted"]' if self.some(50) else ""
        return row(id_, first, generation=generation, open=open_, events=begun + str(keys), values=values)

    def _split(self, execution: str, table: dict[tuple[str, int], Any]) -> tuple[Any, Any]:
        """Keys to open, and other keys to close."""
        mine = [key for key in table if key[0] == execution]
        closed = self.sample(mine, 30)
        if not closed and self.some(2):
            closed = ((execution, 99),)
        opened = {(execution, self.random.randint(1, 12)) for _ in range(self.random.randint(0, 2))}
        return tuple(sorted(opened.difference(closed, mine if self.some(97) else ()))), closed
