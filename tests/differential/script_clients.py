"""Calls of clients: what they deploy, start, send, publish, purge."""

from __future__ import annotations

from typing import get_args

import msgspec

from perdure.engine.instance import ENDED, slot_of
from perdure.engine.store.rows import (
    WAITING,
    EndedQuery,
    IfExists,
    Publication,
    ScheduleRow,
    ScheduleWrite,
)
from tests.differential.calls import Call, Nth
from tests.differential.draw import ENTITIES, KEYS, SCHEDULES, Draw
from tests.differential.script_turns import new_instance
from tests.engine.store.factory import SECOND, audited, definition, message, payload


class Clients(Draw):
    """What clients and operators ask for."""

    # -- definitions ------------------------------------------------------------------------------

    def deploy(self) -> Call:
        names = self.random.sample(["x", "y", "z"], self.random.randint(1, 2))
        entries = []
        for name in names:
            version = str(self.random.randint(1, 4))
            digest = f"d{version}" if self.some(90) else "other"
            new = definition(
                version,
                name,
                digest=digest,
                kind=self.random.choice(["workflow", "workflow", "entity"]),
                created_at=self.now(),
                source=self.text(),
            )
            entries.append((new, f"the program of {digest}"))
        audit = [audited(f"{each.name}@{each.version}") for each, _ in entries if self.some(50)]
        return Call("deploy", (entries,), {"activate": self.some(70), "audit": audit})

    def activate(self) -> Call:
        return Call("activate", (*self._version(), audited("x")))

    def retire(self) -> Call:
        return Call("retire", (*self._version(), audited("x")))

    def _version(self) -> tuple[str, str]:
        present = list(self.model._definitions)
        if present and self.some(90):
            return self.random.choice(present)
        return "nothing", "1"

    def pin(self) -> Call:
        digest = f"p{self.random.randint(1, 6)}"
        return Call("pin", (digest, f"the program {digest} {self.text()}"))

    # -- instances --------------------------------------------------------------------------------

    def start(self) -> Call:
        pending = new_instance(self, self.id())
        due = self.time() + (WAITING if pending.waits else 0)
        values = {key: f"{key[-1]} of {pending.id}" for key in self.sample(KEYS, 10)}
        id_ = f"{pending.execution}/start" if self.some(80) else f"m{self.number()}"
        first = message(
            id_, pending.id, due=due, execution=pending.execution, values=values, event=str(list(values))
        )
        policy = self.random.choice(get_args(IfExists))
        told = self.new_message(pending.id) if self.some(30) else None
        key = self.maybe(self.request(), 40)
        given = payload(self.text(), pending.id) if self.some(80) else payload(KEYS[0], pending.id)
        marks = (policy, *(("event",) if told else ()), *(("waits",) if pending.waits else ()))
        return Call(
            "start",
            (pending, given, first, key, self.audited(pending.id)),
            {"if_exists": policy, "event": told},
            marks=marks,
        )

    def send(self) -> Call:
        return Call("send", (self.new_message(), self.maybe(self.request(), 40), self.audited("a")))

    def post(self) -> Call:
        sent = self.new_message(self.random.choice(ENTITIES))
        return Call("post", (sent, self.maybe(self.request(), 40), self.audited("@Counter@a")))

    def reopen(self) -> Call:
        ended = [one.id for one in self.model._instances.values() if one.status.ended]
        id_ = self.random.choice(ended) if ended and self.some(85) else self.id()
        execution = self.execution(id_)
        order = self.new_message(id_, execution=execution, due=0, held=False)
        if self.some(60):
            order = msgspec.structs.replace(order, id=f"{execution}/reopen")
        return Call("reopen", (order, self.maybe(self.request(), 30), self.audited(id_)))

    def forget_request(self) -> Call:
        present = list(self.model._requests)
        key = self.random.choice(present) if present and self.some(70) else ("start", "i1", "k0")
        return Call("forget_request", key)

    def publish(self) -> Call:
        name = self.random.choice(["Paid", "Sent"])
        rows = [row for row in self.model._subscriptions.values() if row.name == name and self.some(60)]
        to = {(row.digest, row.op, row.key) for row in rows} | (
            {("d0", 1, "none")} if self.some(20) else set()
        )
        event = Publication(id=f"p{self.number()}", name=name, event="{}", to=tuple(sorted(to)))
        return Call("publish", (event, self.maybe(self.request(), 40)))

    # -- letters ----------------------------------------------------------------------------------

    def _letter(self) -> Nth:
        return Nth("dead_letters", self.random.randint(0, max(len(self.model._dead_letters), 1) - 1))

    def redeliver(self) -> Call:
        id_ = f"m{self.number()}" if self.some(95) else self.inbox_id()
        return Call(
            "redeliver", (self._letter(), id_, self.maybe(self.request(), 20), self.audited("letter"))
        )

    def discard(self) -> Call:
        return Call("discard", (self._letter(), self.maybe(self.request(), 20), self.audited("letter")))

    # -- the end ----------------------------------------------------------------------------------

    def purge(self) -> Call:
        ended = [one.id for one in self.model._instances.values() if one.status.ended]
        id_ = self.random.choice(ended) if ended and self.some(80) else self.id()
        leave = self.some(60)
        marks = ("leave_running",) if leave else ()
        return Call("purge", (id_,), {"leave_running": leave, "audit": self.audited(id_)}, marks=marks)

    def purge_ended(self) -> Call:
        return Call("purge_ended", (self._ended_query(), self.audited("many")))

    def count_ended(self) -> Call:
        return Call("count_ended", (self._ended_query(),))

    def _ended_query(self) -> EndedQuery:
        return EndedQuery(
            statuses=self.sample(sorted(ENDED), 60) if self.some(40) else (),
            name=self.random.choice([None, None, None, "order", "other"]),
            tags=(("team", "x"),) if self.some(10) else (),
            ended_from=self.time() if self.some(20) else None,
            ended_before=self.time() if self.some(20) else None,
            created_from=self.time() if self.some(10) else None,
            created_to=self.time() if self.some(10) else None,
            after=(self.now() - self.random.randint(0, 30) * SECOND, self.id()) if self.some(20) else None,
            limit=self.random.randint(1, 4),
            rows=self.random.randint(1, 12),
        )

    def groom(self) -> Call:
        return Call("groom", (self.random.randint(1, 3), self.random.randint(1, 12)))

    def forget_requests(self) -> Call:
        before = self.now() - self.random.randint(0, 30) * SECOND
        return Call("forget_requests", (before, self.random.randint(1, 4)))

    # -- schedules --------------------------------------------------------------------------------

    def change_schedule(self) -> Call:
        return Call("change_schedule", (schedule_write(self, self.random.choice(SCHEDULES)), audited("s")))


def schedule_write(draw: Draw, id_: str) -> ScheduleWrite:
    """A new row, the next one, or none; now and then of a revision that is not there."""
    present = draw.model._schedules.get(id_)
    before = None if present is None else present.revision
    if draw.some(8):
        before = draw.random.choice([None, 1, 2])
    row = ScheduleRow(
        id=id_,
        slot=slot_of(id_),
        workflow="x",
        number=draw.random.randint(0, 2),
        version="1",
        program="p1",
        cron=draw.random.choice(["0 2 * * *", draw.text()]),
        timezone="UTC",
        overlap="skip",
        catch_up=draw.random.choice([None, 60]),
        paused=draw.some(20),
        due=draw.random.choice([None, draw.now() + SECOND, draw.now()]),
        revision=0 if before is None else before + 1,
    )
    return ScheduleWrite(id=id_, row=None if before is not None and draw.some(15) else row, before=before)
