from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from perdure.engine.errors import PerdureError
from perdure.engine.instance import ENDED, Instance, Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import (
    AuditQuery,
    Batch,
    Checkpoint,
    EndedQuery,
    EntityQuery,
    EntityWrite,
    IfExists,
    InstanceQuery,
    Parking,
    PayloadRow,
    QueueRow,
    TaskRow,
)
from tests.engine.store.conformance_entities import entity
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    SECOND,
    Hub,
    audited,
    batch,
    dead_letter,
    definition,
    instance,
    memory_hub,
    message,
    payload,
    request,
    result,
    row,
    sqlite_hub,
    task,
    timer,
    turn,
    worker,
)

pytestmark = pytest.mark.slow  # thousands of operations on two stores

IDS = ("a", "b", "c", "d")
KEYS = [f"sha256:{letter * 64}" for letter in "abc"]
STEPS = 450
ENDED_STATUSES = sorted(ENDED)
LIVE = [status for status in Status if status not in ENDED and status != Status.CONTINUED_AS_NEW]

Operation = Callable[[Store], object]


class Script:
    """Random operations; most of them sensible, as far as the model's state tells, and some not."""

    def __init__(self, seed: int, model: Store) -> None:
        self._random = random.Random(seed)
        self._model = model
        self._workers = 0

    def next(self) -> tuple[str, Operation]:
        """An operation and its name."""
        name = self._random.choice(NAMES)
        operation: Operation = getattr(self, f"_{name}")()
        return name, operation

    def _some(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _new(self) -> str:
        self._workers += 1
        return f"w{self._workers}"

    def _member(self) -> str:
        """A worker's id: mostly a live one's."""
        live = [member.id for member in self._model.workers()]
        return self._random.choice(live) if live and self._some(90) else f"w{self._random.randint(1, 9)}"

    def _id(self) -> str:
        return self._random.choice(IDS)

    def _key(self, id_: str) -> tuple[str, int]:
        return f"{id_}-e{self._random.randint(1, 2)}", self._random.randint(1, 9)

    def _sample(self, values: list[Any], percent: int) -> tuple[Any, ...]:
        return tuple(value for value in values if self._some(percent))

    # -- membership -------------------------------------------------------------------------------

    def _join(self) -> Operation:
        id_, lease = (self._new() if self._some(80) else self._member()), self._random.randint(1, 9) * SECOND
        return lambda store: store.join(worker(id_, activities=("mail",)), lease)

    def _leave(self) -> Operation:
        id_ = self._member()
        return (lambda store: store.leave(id_)) if self._some(30) else self._take_slots()

    def _rejoin(self) -> Operation:
        old, new = [self._member(), self._member()], self._new()
        return lambda store: store.rejoin(old, worker(new), SECOND)

    def _take_over(self) -> Operation:
        id_, victim = self._member(), self._member()
        seen = next((one.lease_until for one in self._model.workers() if one.id == victim), BEGIN)
        lease = self._random.choice([None, seen, seen + 1])
        return lambda store: store.take_over(id_, victim, lease)

    def _take_slots(self) -> Operation:
        id_ = self._member()
        return lambda store: store.take_slots(id_)

    def _calm(self) -> Operation:
        id_ = self._member()
        return lambda store: store.calm(id_)

    # -- turns ------------------------------------------------------------------------------------

    def _commit(self) -> Operation:
        written = self._batch()
        return lambda store: store.commit(written)

    def _batch(self) -> Batch:
        ids = self._random.sample(IDS, self._random.randint(0, 2))
        waiting = [one.id for one in self._model.inbox(ALL, 99)]
        return batch(
            *(self._turn(id_) for id_ in ids),
            worker=self._member(),
            parkings=self._parkings(list(IDS) if self._some(20) else [id_ for id_ in IDS if id_ not in ids]),
            requests=(self._request(),) if self._some(5) else (),
            replies=(self._request(),) if self._some(20) else (),
            entities=self._entities() if self._some(40) else (),
            messages=tuple(self._message() for _ in range(self._random.randint(0, 2))),
            hold=self._sample(waiting, 10),
            unhold=((self._id(), self._random.randint(1, 2)),) if self._some(20) else (),
            discard=self._sample(waiting, 5),
            dead_letters=(dead_letter(of=self._id()),) if self._some(10) else (),
            audit=(audited(self._id()),) if self._some(10) else (),
            adopt=(task(self._random.randint(1, 9), self._id()),) if self._some(5) else (),
            trusted=(self._id(),) if self._some(30) else (),
            lease=self._random.randint(1, 9) * SECOND if self._some(20) else None,
        )

    def _entities(self) -> tuple[EntityWrite, ...]:
        written = []
        for key in self._random.sample("abc", self._random.randint(1, 2)):
            new = entity("Counter", key, version=self._random.randint(1, 3), updated_at=self._time())
            present = self._model.load_entities([new.id])
            before = (present[0].incarnation, present[0].version) if present else None
            if self._some(5):
                before = self._random.choice([None, ("other", 1)])
            row = None if before and self._some(25) else new
            if row is not None and self._some(30):
                row = msgspec.structs.replace(row, state=None, lock="{}", incarnation="next")
            written.append(EntityWrite(id=new.id, before=before, row=row))
        return tuple(written)

    def _post(self) -> Operation:
        sent = message(f"m{self._random.randint(1, 40)}", "@Counter@a")
        key = self._request() if self._some(50) else None
        said = audited("Counter@a") if self._some(50) else None
        return lambda store: store.post(sent, key, said)

    def _forget_request(self) -> Operation:
        key = self._request()
        return lambda store: store.forget_request(key.route, key.target, key.key)

    def _begin_turn(self) -> Operation:
        id_, suspect = self._member(), self._id()
        return lambda store: store.begin_turn(id_, suspect)

    def _turn(self, id_: str) -> Checkpoint:
        present = self._model.instance(id_)
        before = None if present is None else present.status
        if self._some(5):
            before = self._random.choice([None, Status.RUNNING])
        replaces = present is not None and present.status.ended and self._some(30)
        before = None if replaces else before
        state = self._state(id_, present)
        mine = [one.id for one in self._model.inbox(ALL, 99) if one.instance == id_]
        opened, closed = self._split(
            id_, [(one.execution, one.seq) for one in self._model.timers(ALL, 2**60, 99)]
        )
        scheduled, ended = self._split(
            id_, [(one.execution, one.seq) for one in self._model.waiting_tasks(id_)]
        )
        return turn(
            id_,
            self._row(id_, present),
            execution=present.execution if present and self._some(95) else f"{id_}-e1",
            before=before,
            instance=state if before is None or self._some(50) else None,
            consumed=(*self._sample(mine, 40), *(("unknown",) if self._some(3) else ())),
            payloads=self._payloads(id_) if self._some(20) else (),
            timers=tuple(
                msgspec.structs.replace(timer(seq, self._time(), id_), execution=execution)
                for execution, seq in opened
            ),
            timers_closed=closed,
            tasks=tuple(self._task(id_, *key) for key in scheduled),
            tasks_closed=ended,
            forget_before=2 if self._some(5) else None,
            replaces=replaces or self._some(2),
        )

    def _payloads(self, id_: str) -> tuple[PayloadRow, ...]:
        """An input, perhaps one that is kept apart."""
        if self._some(70):
            return (payload(str(self._random.random()), id_),)
        key = self._random.choice(KEYS)
        apart = PayloadRow(instance=id_, key=key, value=f"{key[-1]} of {id_}")
        return payload(key, id_), apart

    def _state(self, id_: str, present: Instance | None) -> Instance:
        generation = present.generation if present and self._some(80) else self._random.randint(1, 2)
        parent = self._id() if self._some(20) else None
        status = self._random.choice(LIVE) if self._some(75) else self._random.choice(ENDED_STATUSES)
        return instance(
            id_,
            status=status,
            ended_at=BEGIN + self._random.randint(0, 3) if status.ended else None,
            purge_at=BEGIN + self._random.randint(0, 200) * SECOND if self._some(50) else None,
            parent_id=parent,
            chunk_of=self._random.randint(1, 2) if parent and self._some(50) else None,
            generation=generation,
            execution=f"{id_}-e{generation}",
            created_at=BEGIN + self._random.randint(0, 2),
            tags={"team": self._random.choice("xy")} if self._some(50) else {},
        )

    def _row(self, id_: str, present: Instance | None) -> Any:
        generation = present.generation if present else 1
        last = self._model.history(id_, generation, 0, 9999)
        first = last[-1].next_seq if last and self._some(95) else 0
        text, keys = self._referring()
        values = {key: f"{key[-1]} of {id_}" for key in keys if self._some(70)}
        return row(
            id_,
            first,
            generation=generation,
            open=self._random.randint(0, 1),
            events=text,
            values=values,
        )

    def _referring(self) -> tuple[str, list[str]]:
        """A text, and the keys of values that it refers to."""
        keys = [key for key in KEYS if self._some(20)]
        return str(keys), keys

    def _split(self, id_: str, present: list[tuple[str, int]]) -> tuple[Any, Any]:
        """Keys to open, and other keys to close."""
        mine = [key for key in present if key[0].startswith(id_)]
        closed = self._sample(mine, 30) or ((self._key(id_),) if self._some(3) else ())
        opened = {self._key(id_)} if self._some(30) else set()
        return tuple(opened.difference(closed, mine if self._some(90) else ())), closed

    def _task(self, id_: str, execution: str, seq: int) -> TaskRow:
        return task(
            seq,
            id_,
            execution=execution,
            deliveries=seq % 3,
            name=self._random.choice(["mail", "pay"]),
            queue=self._random.choice(["", "", "q", "@i"]),
            rank=self._random.randint(-1, 1),
            fairness_key=self._random.choice(["", "a", "b"]),
            concurrency_key=self._random.choice(["", "c", "d"]),
            concurrency_limit=self._random.randint(1, 2),
            body=self._referring()[0],
        )

    def _parkings(self, ids: list[str]) -> tuple[Parking, ...]:
        present = [found for id_ in ids if (found := self._model.instance(id_)) and self._some(5)]
        return tuple(
            Parking(
                instance=msgspec.structs.replace(found, status=Status.SUSPENDED, reason="parked"),
                before=found.status if self._some(90) else Status.PENDING,
            )
            for found in present
        )

    # -- tasks and clients ------------------------------------------------------------------------

    def _claim(self) -> Operation:
        id_, limit = self._member(), self._random.randint(1, 3)
        names, queues = self._sample(["mail", "pay"], 80), self._sample(["q"], 50)
        most, suspects = self._random.choice([2, 4]), self._random.choice([None, 0, 1])
        private, after = self._sample(["@i"], 50), self._random.choice(["", "a", "b"])
        return lambda store: store.claim(
            id_, names, private, limit, most, queues=queues, suspects=suspects, after=after
        )

    def _set_queue(self) -> Operation:
        settings = QueueRow(name="q", interval=self._random.randint(1, 3) * SECOND, burst=2)
        given = settings if self._some(50) else None
        return lambda store: store.set_queue("q", given)

    def _record(self) -> Operation:
        id_ = self._id()
        execution, seq = self._key(id_)
        return lambda store: store.record([result(seq, id_, execution=execution)], [(execution, seq)])

    def _give_back(self) -> Operation:
        id_, key = self._member(), self._key(self._id())
        return lambda store: store.give_back(id_, [key])

    def _start(self) -> Operation:
        pending = self._state(self._id(), None)
        sent, key = message(f"m{self._random.randint(1, 40)}", pending.id), self._request()
        policy = self._random.choice(get_args(IfExists))
        told = message(f"m{self._random.randint(41, 80)}", pending.id) if self._some(30) else None
        return lambda store: store.start(
            pending, payload(of=pending.id), sent, key, if_exists=policy, event=told
        )

    def _send(self) -> Operation:
        sent, key = self._message(), self._request() if self._some(50) else None
        said = audited(sent.instance) if self._some(50) else None
        return lambda store: store.send(sent, key, said)

    def _redeliver(self) -> Operation:
        letter, id_ = self._letter(), f"m{self._random.randint(1, 40)}"
        key = self._request() if self._some(20) else None
        return lambda store: store.redeliver(letter, id_, key, audited())

    def _discard(self) -> Operation:
        letter = self._letter()
        return lambda store: store.discard(letter, None, audited())

    def _letter(self) -> int:
        present = [one.ord for one in self._model.dead_letters()]
        return self._random.choice(present) if present and self._some(90) else self._random.randint(1, 9)

    def _purge(self) -> Operation:
        ended = [id_ for id_ in IDS if (found := self._model.instance(id_)) and found.status.ended]
        id_ = self._random.choice(ended) if ended and self._some(80) else self._id()
        leave = self._some(80)
        return lambda store: store.purge(id_, leave_running=leave)

    def _purge_ended(self) -> Operation:
        query = EndedQuery(
            statuses=self._sample(list(ENDED_STATUSES), 50),
            tags=(("team", "x"),) if self._some(20) else (),
            ended_before=self._time() or None,
            limit=self._random.randint(1, 3),
            rows=self._random.randint(1, 9),
        )
        return lambda store: (store.count_ended(query), store.purge_ended(query))

    def _groom(self) -> Operation:
        limit, rows = self._random.randint(1, 3), self._random.randint(1, 9)
        return lambda store: store.groom(limit, rows)

    def _forget_requests(self) -> Operation:
        before, limit = self._time(), self._random.randint(1, 3)
        return lambda store: store.forget_requests(before, limit)

    def _deploy(self) -> Operation:
        digest = self._random.choice(["d1", "d2"])
        new = definition(self._random.choice("12"), self._random.choice(["x", "y"]), digest=digest)
        return lambda store: store.deploy([(new, digest)])

    def _message(self) -> Any:
        return message(f"m{self._random.randint(1, 40)}", self._id(), due=self._time(), held=self._some(20))

    def _request(self) -> Any:
        return request(f"k{self._random.randint(1, 20)}", answer=str(self._random.random()))

    def _time(self) -> int:
        return 0 if self._some(60) else BEGIN + self._random.randint(0, 200) * SECOND


NAMES = (
    "join",
    "leave",
    "rejoin",
    "take_over",
    "take_slots",
    "calm",
    "begin_turn",
    *["commit"] * 9,
    "claim",
    "record",
    "give_back",
    "set_queue",
    *["start"] * 3,
    "send",
    "post",
    "forget_request",
    *["purge"] * 2,
    "purge_ended",
    "groom",
    "forget_requests",
    "deploy",
    *["redeliver"] * 3,
    *["discard"] * 2,
)


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[tuple[Hub, Hub]]:
    """The reference model, and a file."""
    pair = memory_hub(), sqlite_hub(tmp_path / "hub.db")
    yield pair
    for hub in pair:
        hub.close()


def outcome(operation: Operation, store: Store) -> object:
    """What it answers, or which exception it raises."""
    try:
        return operation(store)
    except PerdureError as error:
        return type(error)


def snapshot(store: Store, member: str) -> dict[str, object]:
    """Everything that can be read."""
    instances = store.instances(InstanceQuery(limit=99))
    some = [slot for slot in ALL if slot % 3]
    return {
        "members": (store.workers(), store.owned_slots(), store.gone(member)),
        "deaths": ([store.crashes(one.id) for one in store.workers()], store.suspected()),
        "instances": instances,
        "tagged": store.instances(
            InstanceQuery(tags=(("team", "x"),), statuses=(Status.RUNNING, Status.PENDING))
        ),
        "loaded": store.load(IDS),
        "open": (store.load_open(ALL), store.load_open(some)),
        "inbox": (store.inbox(ALL, 99), store.inbox(some, 3)),
        "timers": (store.timers(ALL, 2**60, 99), store.timers(some, BEGIN + 50 * SECOND, 2)),
        "entities": (
            store.load_entities(["@Counter@a", "@Counter@b", "@Counter@c"]),
            store.entities(EntityQuery(type="Counter", key_prefix="a", updated_to=BEGIN + 99 * SECOND)),
            store.entities(EntityQuery(after=("Counter", "a"), limit=1)),
        ),
        "next": (store.next_timer(ALL), store.next_timer(some)),
        "tasks": [store.waiting_tasks(id_) for id_ in IDS],
        "claimed": [store.claimed(one.id) for one in store.workers()],
        "keys": [store.claimed_count(key) for key in ("c", "d")],
        "queues": store.queues(),
        "letters": store.dead_letters(),
        "audit": (store.audit(AuditQuery()), store.audit(AuditQuery(target="a", before=9, limit=2))),
        "definitions": store.definitions(),
        "payloads": [store.payloads(id_) for id_ in IDS],
        "values": [store.payload(id_, key) for id_ in IDS for key in KEYS],
        "whole": store.instances(InstanceQuery(chunks=False)),
        "requests": store.look_up(
            [], [("x", None)], [("start", "i1", f"k{number}") for number in range(1, 21)]
        ),
    }


@pytest.mark.parametrize("seed", range(5))
def test_a_file_answers_as_the_reference_does(hubs: tuple[Hub, Hub], seed: int) -> None:
    """The same operations give the same answers, and after each one the same can be read."""
    model, file = (hub.connect() for hub in hubs)
    script = Script(seed, model)
    chance = random.Random(seed)
    succeeded: Counter[str] = Counter()
    for _ in range(STEPS):
        name, operation = script.next()
        expected, answer = (outcome(operation, store) for store in (model, file))
        assert answer == expected, name
        assert snapshot(file, "w1") == snapshot(model, "w1"), name
        succeeded[name] += not isinstance(expected, type)
        for hub in hubs:
            hub.clock.now += SECOND // 4
        if chance.randrange(40) == 0 and model.workers():
            for hub in hubs:
                hub.kill(model.workers()[0].id)
    assert set(succeeded.elements()) == set(NAMES)
