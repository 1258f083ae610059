"""What an owner reads from the database: instances that have something to do, and the work of dead owners."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from perdure.engine import migrating, orders, sealing, suspects
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import (
    EventRaised,
    ExecutionMigrated,
    ExecutionRestarted,
    is_reopening,
)
from perdure.engine.hot import Hot
from perdure.engine.instance import Status
from perdure.engine.linked import LinkedProgram
from perdure.engine.open_work import first_event, task_rows
from perdure.engine.residents import Residents
from perdure.engine.running import Running
from perdure.engine.store.rows import Loaded, Takeover

Choose = Callable[[list[str]], list[str]]
"""Some of the instances, in their order."""


def everybody(ids: list[str]) -> list[str]:
    """All of the instances."""
    return ids


class Loading(Residents):
    """The part of an owner that brings instances into its memory, or parks those that cannot be."""

    def wanted(self) -> list[str]:
        """Instances that have something to do and are not in memory."""
        if self._rest_first:
            return []
        coming = self._starting.union(each.message.instance for each in self._asked)
        return [each for each in self._wanted if each not in coming]

    def digests(self, found: Iterable[Loaded]) -> set[str]:
        """Of the Programs that ``loaded`` needs for what was found."""
        wanted = set()
        for each in found:
            wanted.add(each.instance.digest)
            pending = self._of(each.instance.id).pending
            if (order := orders.order_among(pending)) is not None:
                wanted.add(orders.digest(order, each.instance))
            moves = (one.event for one in pending if isinstance(one.event, ExecutionMigrated))
            wanted.update(order.digest for order in moves)
        return wanted

    def loaded(
        self,
        ids: Sequence[str],
        found: Iterable[Loaded],
        programs: Mapping[str, LinkedProgram | str],
        now: int,
    ) -> None:
        """What the database has of ``ids``. For a Program that cannot be had, its entry says why."""
        rows = {each.instance.id: each for each in found}
        for instance_id in ids:
            self._wanted.pop(instance_id, None)
            hot = self._of(instance_id)
            each = rows.get(instance_id)
            if hot.running is not None:
                continue
            if each is None:
                self._drop(hot, "unknown", now)
            elif each.instance.status.ended and orders.order_among(hot.pending) is not None:
                self._reopen(hot, each, programs, now)
            elif each.instance.status.ended:
                if each.held:
                    # What was set aside comes back, to become dead letters as well.
                    self._rest.unhold.append((instance_id, each.held))
                self._drop(hot, "ended", now)
            else:
                self._load(hot, each, self._program(hot, each, programs, now), now)

    def _program(
        self, hot: Hot, loaded: Loaded, programs: Mapping[str, LinkedProgram | str], now: int
    ) -> LinkedProgram | str:
        """The Program of an instance, or the one that it is ordered to move to if it can."""
        while (order := migrating.order_among(hot.pending)) is not None:
            program = programs.get(migrating.digest(order), "program: it was not looked up: try again")
            problem = migrating.problem(loaded, program)
            if problem is None:
                break
            hot.pending = [each for each in hot.pending if each is not order]
            sealing.refuse(self._rest, order, problem, now)
        return programs[loaded.instance.digest if order is None else migrating.digest(order)]

    def _load(self, hot: Hot, loaded: Loaded, program: LinkedProgram | str, now: int) -> Running | None:
        """Replay an instance; None when it is parked."""
        instance = loaded.instance
        hot.instance, hot.history, hot.coming = instance, loaded.history, first_event(loaded)
        hot.retention = None if isinstance(program, str) else program.program.retention
        hot.held = loaded.held + hot.released
        if hot.held:
            # Events that arrived before we knew belong behind those that are set aside.
            hot.excess = [each for each in hot.pending if isinstance(each.event, EventRaised)] + hot.excess
            hot.pending = [each for each in hot.pending if not isinstance(each.event, EventRaised)]
        poison = instance.status is Status.SUSPENDED and (instance.reason or "").startswith(suspects.PARKED)
        if poison and not hot.resuming:
            # Reading it may be what kills.
            self._park(hot, instance, instance.reason or "", now)
            return None
        try:
            if isinstance(program, str):
                raise NonDeterminismError(program)
            running = Running.load(loaded, program)
        except NonDeterminismError as error:
            self._park(hot, instance, str(error), now)
            return None
        stuck = instance.status is Status.SUSPENDED and not running.machine.state.suspended
        if stuck and not hot.resuming:
            self._park(hot, instance, instance.reason or "", now)
            return None
        hot.running, hot.parked, hot.history = running, False, ()
        running.migrating = migrating.order_among(hot.pending) is not None
        keys = {(instance.execution, seq) for seq in running.open_tasks}
        hot.eager &= keys
        hot.rows = keys - hot.eager
        if hot.resuming:
            self._unpark(hot)
        if hot.pending or hot.excess or hot.held:
            self._wake(hot)
        else:
            self._settle(hot)
        return running

    def _unpark(self, hot: Hot) -> None:
        """Hand out again what was set aside, timers too. The turn that hears of the resume does the rest."""
        if hot.held:
            self._rest.unhold.append((hot.id, hot.held))
        self.timers.clear()

    def _drop(self, hot: Hot, reason: str, now: int) -> None:
        """There is no such instance, or it has ended: what came for it is a dead letter."""
        late = [each for each in hot.pending if orders.is_question(each.event)]
        self._reconsider(late)
        for each in hot.pending + hot.excess:
            if each not in late:
                sealing.refuse(self._rest, each, reason, now)
        hot.pending, hot.excess = [], []
        self._forget(hot)

    def _reopen(
        self, hot: Hot, loaded: Loaded, programs: Mapping[str, LinkedProgram | str], now: int
    ) -> None:
        """Somebody orders an instance that has ended to go on."""
        order = orders.order_among(hot.pending)
        assert order is not None, "whoever has ended goes on by an order"
        program = programs[orders.digest(order, loaded.instance)]
        if isinstance(program, str):
            hot.pending = [each for each in hot.pending if each is not order]
            if orders.is_question(order.event):
                self._reconsider([order], hopeless=True)
            else:
                sealing.refuse(self._rest, order, program, now)
            self._wanted[hot.id] = None
            return
        if isinstance(order.event, ExecutionRestarted) and not self._cleared(hot, loaded, now):
            return
        hot.instance = loaded.instance
        hot.held = loaded.held + hot.released
        hot.running = Running.ended(loaded, program)
        self._wake(hot)

    def _cleared(self, hot: Hot, loaded: Loaded, now: int) -> bool:
        """Let nothing that came for an earlier generation reach the next one; whether that is so."""
        for each in hot.pending + hot.excess:
            if not is_reopening(each.event):
                sealing.refuse(self._rest, each, "ended", now)
        hot.pending = [each for each in hot.pending if is_reopening(each.event)]
        hot.excess = []
        if loaded.held:
            self._rest.unhold.append((hot.id, loaded.held))
            self._wanted[hot.id] = None
        return not loaded.held

    def take_over(
        self,
        takeover: Takeover,
        programs: Mapping[str, LinkedProgram | str],
        here: Collection[tuple[str, int]],
        now: int,
        choose: Choose = everybody,
    ) -> None:
        """The slots are ours now: give a row to each task that only their last owner kept going.

        ``here`` are keys of activities that run in this process still: they stay as they are. Who is not
        chosen is not loaded yet.
        """
        chosen = set(choose([each.instance.id for each in takeover.loaded]))
        for each in takeover.loaded:
            hot = self._of(each.instance.id)
            if hot.running is not None or hot.parked:
                continue
            if hot.id in chosen:
                self._load(hot, each, programs[each.instance.digest], now)
            self._adopt(hot, each, takeover, here)
            if hot.id not in chosen:
                self._forget(hot)

    def _adopt(self, hot: Hot, loaded: Loaded, takeover: Takeover, here: Collection[tuple[str, int]]) -> None:
        """Needs no Program: what an instance asked for before it was parked is done all the same."""
        for key, row in task_rows(loaded).items():
            if key in takeover.tasks or key in takeover.results:
                continue
            if key in here:
                hot.rows.discard(key)
                hot.eager.add(key)
            else:
                self._rest.adopt.append(row)
