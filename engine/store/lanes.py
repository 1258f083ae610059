"""The tasks that wait, read in the order of their index and no further than a claim needs.

A lane is a queue with the name of an activity. A lane that has fewer tasks than the claim has places is
read through; of a longer one, each group (a fairness key with a concurrency key) is looked up by itself, so
that many tasks of one tenant, or of a key that is full, cost no more than a few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perdure.engine.store import statements as s
from perdure.engine.store.claiming import Choice, age, handed_out
from perdure.engine.store.records import to_queue, to_task
from perdure.engine.store.rows import TaskRow
from perdure.engine.store.transaction import Transaction

NEVER = 2**31 - 1
"""More deliveries than a task can have."""

Lane = tuple[str, str]


def lanes_of(
    tx: Transaction, names: Sequence[str], queues: Sequence[str], private: Sequence[str]
) -> list[Lane]:
    """The lanes that a worker serves: its activities in each of its queues, and all of its private queues."""
    lanes = [(queue, name) for queue in dict.fromkeys(["", *queues]) for name in dict.fromkeys(names)]
    return lanes + [(queue, name) for queue in dict.fromkeys(private) for name in _names(tx, queue)]


def _names(tx: Transaction, queue: str) -> Iterator[str]:
    name = ""
    while (row := tx.row(s.NEXT_NAME, the_queue=queue, name=name)) is not None:
        name = row[0]
        yield name


def waiting(
    tx: Transaction, lanes: Sequence[Lane], after: str, below: int, max_deliveries: int, suspects: int
) -> bool:
    """Whether a claim would do anything."""
    return bool(
        choose(tx, lanes, 1, after, below, max_deliveries, suspects, peek=True)
        or again(tx, lanes, 1, max_deliveries, NEVER, peek=True)
    )


def choose(
    tx: Transaction,
    lanes: Sequence[Lane],
    limit: int,
    after: str,
    below: int,
    max_deliveries: int,
    suspects: int,
    *,
    peek: bool = False,
) -> list[TaskRow]:
    """The tasks to hand out: those delivered fewer than ``below`` times, then so many ``suspects``.

    Rates of queues count them as handed out, unless this is but a ``peek``, which locks nothing.
    """
    if peek:
        rows = tx.rows(s.QUEUES)
    else:
        rows = tx.rows(s.QUEUES_SERVED, names=sorted({queue for queue, _ in lanes}))
    settings = [to_queue(row) for row in rows]
    rates = {each.name: each.ready(tx.now) for each in settings}

    def claimed(key: str) -> int:
        """Of a key that somebody else claims tasks of at this moment there are none left."""
        return claimed_count(tx, key) if peek or tx.try_lock(f"tasks of {key}") else NEVER

    choice = Choice(limit, after, claimed, rates)
    readers = [_Lane(tx, lane, limit, below, peek=peek) for lane in lanes if rates.get(lane[0], 1) > 0]
    readers = [reader for reader in readers if reader.rank is not None]
    while readers and choice.places > 0:
        rank = min(reader.rank for reader in readers if reader.rank is not None)
        choice.take_in_turns(task for reader in readers if reader.rank == rank for task in reader.tasks())
        for reader in readers:
            reader.go_beyond(rank)
        readers = [reader for reader in readers if reader.rank is not None]
    for task in again(tx, lanes, min(choice.places, suspects), below, max_deliveries, peek=peek):
        choice.take(task)
    if not peek:
        used = [(each, handed_out(choice.tasks, each.name)) for each in settings]
        tx.structs(s.QUEUE_PUT, [each.after(tx.now, count) for each, count in used if count])
    return choice.tasks


def claimed_count(tx: Transaction, concurrency_key: str) -> int:
    """How many tasks of a concurrency key are claimed now."""
    row = tx.row(s.CLAIMED_COUNT, the_concurrency_key=concurrency_key)
    return 0 if row is None else int(row[0])


def again(
    tx: Transaction, lanes: Sequence[Lane], limit: int, least: int, below: int, *, peek: bool = False
) -> list[TaskRow]:
    """The first tasks that were handed out at least ``least`` times, twice in any case."""
    statement = s.TASKS_AGAIN if peek else s.TASKS_AGAIN_FREE
    rows = []
    if limit > 0:
        bounds = {"now": tx.now, "limit": limit, "least": least, "below": below}
        for queue, name in lanes:
            rows += tx.rows(statement, the_queue=queue, the_name=name, **bounds)
    return sorted(map(to_task, rows), key=lambda task: (task.rank, *age(task)))[: max(limit, 0)]


class _Lane:
    """The tasks of one lane, rank by rank. ``rank`` is None when there are no more."""

    def __init__(self, tx: Transaction, lane: Lane, limit: int, below: int, *, peek: bool) -> None:
        self._tx = tx
        self._limit = limit
        self._bounds = {"the_queue": lane[0], "the_name": lane[1], "now": tx.now, "below": below}
        self._of_group = s.TASKS_OF_GROUP if peek else s.TASKS_OF_GROUP_FREE
        rows = tx.rows(s.TASKS_OF_LANE if peek else s.TASKS_OF_LANE_FREE, limit=limit, **self._bounds)
        self._page = list(map(to_task, rows))
        self._whole = len(rows) < limit
        self.rank = self._page[0].rank if self._page else None

    def tasks(self) -> Iterator[TaskRow]:
        """The first tasks of each group of this rank."""
        assert self.rank is not None, "there is a rank"
        if self._whole:
            yield from (task for task in self._page if task.rank == self.rank)
            return
        group: tuple[str, str] | None = ("", "")
        while group is not None:
            key = {"the_fairness_key": group[0], "the_concurrency_key": group[1]}
            rows = self._tx.rows(self._of_group, the_rank=self.rank, limit=self._limit, **key, **self._bounds)
            yield from map(to_task, rows)
            after = {"fairness_key": group[0], "concurrency_key": group[1]}
            row = self._tx.row(s.NEXT_GROUP, the_rank=self.rank, **after, **self._bounds)
            group = None if row is None else (row[0], row[1])

    def go_beyond(self, rank: int) -> None:
        """Move to the next rank if this one is read."""
        if self.rank != rank:
            return
        if self._whole:
            self.rank = next((task.rank for task in self._page if task.rank > rank), None)
            return
        row = self._tx.row(s.NEXT_RANK, rank=rank, **self._bounds)
        self.rank = None if row is None else row[0]
