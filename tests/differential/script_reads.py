"""Calls that only read: every filter, page and look-up."""

from __future__ import annotations

from perdure.engine.instance import SLOTS, Status
from perdure.engine.store.rows import AuditQuery, Condition, EntityQuery, InstanceQuery
from tests.differential.calls import Call, Nth
from tests.differential.draw import ENTITIES, IDS, KEYS, SCHEDULES, Draw
from tests.engine.store.factory import SECOND

_ALL = range(SLOTS)
_SOME = tuple(slot for slot in range(SLOTS) if slot % 3)


class Reads(Draw):
    """What is read of a hub."""

    def _slots(self) -> object:
        return self.random.choice([_ALL, _ALL, _SOME, ()])

    def _limit(self) -> int:
        return self.random.choice([1, 2, 5, 1000])

    def read_time(self) -> Call:
        return Call("time")

    def load(self) -> Call:
        return Call("load", ([self.id() for _ in range(self.random.randint(1, 3))],))

    def load_entities(self) -> Call:
        return Call("load_entities", (self.random.choices(ENTITIES, k=2),))

    def load_open(self) -> Call:
        return Call("load_open", (self._slots(),))

    def inbox(self) -> Call:
        return Call("inbox", (self._slots(), self._limit()))

    def timers(self) -> Call:
        return Call(
            "timers", (self._slots(), self.now() + self.random.randint(-9, 30) * SECOND, self._limit())
        )

    def next_timer(self) -> Call:
        return Call("next_timer", (self._slots(),))

    def next_delayed(self) -> Call:
        return Call("next_delayed", (self._slots(), self.now() + self.random.randint(-30, 30) * SECOND))

    def look_up(self) -> Call:
        versions = [("x", None), ("y", "1"), ("z", self.random.choice([None, "2"]))]
        keys = [("start", "i1", f"k{self.random.randint(1, 40)}") for _ in range(3)]
        return Call("look_up", ([self.id()], versions, [*keys, *list(self.model._requests)[:2]]))

    def heartbeat_details(self) -> Call:
        present = list(self.model._heartbeats)
        place = self.random.choice(present) if present and self.some(90) else ("a", "a-e0", "a")
        return Call("heartbeat_details", place)

    def token_key(self) -> Call:
        return Call("token_key")

    def counts(self) -> Call:
        return Call("counts", (self.random.choice([1, 2, 1000]),))

    def claimed_count(self) -> Call:
        return Call("claimed_count", (self.random.choice(["c", "d", ""]),))

    def queues(self) -> Call:
        return Call("queues")

    def claimed(self) -> Call:
        return Call("claimed", (self.member(),))

    def waiting_tasks(self) -> Call:
        return Call("waiting_tasks", (self.id(),))

    def program(self) -> Call:
        return Call("program", (self.random.choice(["p1", "p2", "p3", "p9"]),))

    def definitions(self) -> Call:
        name = self.random.choice([None, None, "x", "nothing"])
        if self.some(50):
            return Call("definitions", (name,))
        present = [(one.name, one.created_at, one.version) for one in self.model._definitions.values()]
        after = self.random.choice([None, ("x", 0, ""), *present])
        return Call("definitions", (name,), {"after": after, "limit": self.random.choice([1, 2, 9])})

    def entities(self) -> Call:
        query = EntityQuery(
            type=self.random.choice([None, "Counter", "Box"]),
            key_prefix=self.random.choice(["", "", "a", "ab", "\ud7ff", "\U0010ffff"]),
            updated_from=self.time() or None,
            updated_to=self.time() or None,
            after=(self.random.choice(["Box", "Counter"]), "a") if self.some(30) else None,
            limit=self._limit(),
        )
        return Call("entities", (query,))

    def waited(self) -> Call:
        return Call("waited", (self.random.choice(["Paid", "Sent", "None"]),))

    def instance(self) -> Call:
        return Call("instance", (self.id(),))

    def in_inbox(self) -> Call:
        return Call("in_inbox", (self.inbox_id(),))

    def payloads(self) -> Call:
        return Call("payloads", (self.id(),))

    def with_payloads(self) -> Call:
        return Call("with_payloads", ([self.id() for _ in range(self.random.randint(0, 3))],))

    def payload(self) -> Call:
        present = list(self.model._payloads)
        place = self.random.choice(present) if present and self.some(80) else ("a", KEYS[0])
        return Call("payload", place)

    def instances(self) -> Call:
        row = self.model._instances.get(self.id())
        order = self.random.choice(["created_at", "created_at", "updated_at", "ended_at", "name"])
        last = None if row is None else getattr(row, order)
        after = None if row is None or last is None or self.some(60) else (last, row.id)
        query = InstanceQuery(
            statuses=self.sample(list(Status), 40) if self.some(60) else (),
            name=self.random.choice([None, None, "order", "other"]),
            tags=tuple((tag, self.random.choice("xy")) for tag in self.sample(["team", "size"], 20)),
            created_from=self.time() or None,
            created_to=self.time() or None,
            chunks=self.some(60),
            id_prefix=self.random.choice(["", "", "", "a", "b"]),
            where=(self._condition(),) if self.some(40) else (),
            order=order,
            ascending=self.some(40),
            after=after,
            limit=self._limit(),
        )
        return Call("instances", (query,))

    def _condition(self) -> Condition:
        """Of a text or of a time, which is there or not."""
        negated = self.some(40)
        if self.some(40):
            return Condition(
                field=self.random.choice(["created_at", "started_at", "ended_at", "updated_at"]),
                compares=self.random.choice(["<", "<=", ">", ">="]),
                time=self.time(),
                negated=negated,
            )
        return Condition(
            field=self.random.choice(["id", "name", "reason", "parent_id", "tag.team", "version"]),
            values=self.sample(["a", "order", "x", "parked", "1"], 30),
            prefixes=self.sample(["", "a", "o", "p"], 20),
            negated=negated,
        )

    def history(self) -> Call:
        present = list(self.model._history)
        place = self.random.choice(present) if present and self.some(90) else ("a", 1)
        return Call("history", (*place, self.random.choice([0, 0, 2, 7]), self._limit()))

    def dead_letters(self) -> Call:
        before = Nth("dead_letters", self.random.randint(0, 9)) if self.some(50) else None
        return Call("dead_letters", (self.random.choice([None, *IDS]), self._limit(), before))

    def dead_letter(self) -> Call:
        return Call("dead_letter", (Nth("dead_letters", self.random.randint(0, 9)),))

    def audit(self) -> Call:
        before = Nth("audit", self.random.randint(0, 20)) if self.some(50) else None
        query = AuditQuery(
            target=self.random.choice([None, None, "a", "x"]),
            action=self.random.choice([None, None, "x", "instance.terminate"]),
            actor=self.random.choice([None, None, "ann", "bob"]),
            before=before,  # type: ignore[arg-type]
            limit=self._limit(),
        )
        return Call("audit", (query,))

    def schedules(self) -> Call:
        return Call("schedules")

    def schedule(self) -> Call:
        return Call("schedule", (self.random.choice(SCHEDULES),))

    def due_schedules(self) -> Call:
        return Call("due_schedules", (self._slots(), self.random.randint(1, 3)))

    def active_workflows(self) -> Call:
        return Call("active_workflows")
