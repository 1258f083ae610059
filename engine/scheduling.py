"""What the owner of slots does for schedules: keeps a row for each, and starts what is due."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec

from perdure.compiler import ir
from perdure.compiler.encode import UnknownProgram, decode
from perdure.compiler.runtime import EvalError, Timestamp
from perdure.engine import keys, outgoing, schedules
from perdure.engine.errors import PerdureError, Refused
from perdure.engine.events import ExecutionCanceled, StartRequested
from perdure.engine.instance import slot_of
from perdure.engine.linked import LinkedProgram
from perdure.engine.programs import Programs
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Batch, Message, ScheduleRow, ScheduleWrite

LIMIT = 100
"""Schedules that are looked at in one go."""
KEEP_EVERY = 0.5
"""Seconds between comparisons of the rows with the active definitions."""

_log = logging.getLogger("perdure.worker")


class Scheduling:
    """The schedules of a hub, as one owner of slots sees them."""

    def __init__(self, store: Store, programs: Programs) -> None:
        self._store = store
        self._programs = programs
        self._known: dict[str, tuple[ir.Schedule, ...]] = {}
        self._kept = float("-inf")
        self._faults: dict[str, str] = {}
        """What has gone wrong with schedules, so that it is told once."""

    def round(self, worker: str, slots: Iterable[int], now: int, tick: float) -> tuple[bool, list[Message]]:
        """Whether there was anything to do, and the messages that are committed. Raises ``StoreError``."""
        mine = frozenset(slots)
        busy = False
        if tick - self._kept >= KEEP_EVERY:
            self._kept = tick
            busy = self._keep(worker, mine, now)
        sent: list[Message] = []
        for row in self._store.due_schedules(mine, LIMIT):
            with self._apart(row.id):
                found = self._look(worker, row, now)
                busy = busy or found is not None
                sent += found or []
        return busy, sent

    @contextmanager
    def _apart(self, schedule: str) -> Iterator[None]:
        """What goes wrong with one schedule stops nothing else, and may be right at the next look.

        One may be of a time zone that is not known on this machine.
        """
        try:
            yield
        except PerdureError:
            raise
        except Exception as error:  # noqa: BLE001
            fault = f"{type(error).__name__}: {error}"
            if self._faults.get(schedule) != fault:
                self._faults[schedule] = fault
                _log.warning("nothing is done for the schedule %s here: %s", schedule, fault)

    # -- rows -------------------------------------------------------------------------------------

    def _keep(self, worker: str, mine: frozenset[int], now: int) -> bool:
        """Let there be a row for each schedule of an active definition, and no other."""
        present = {row.id: row for row in self._store.schedules()}
        wanted: dict[str, ScheduleRow] = {}
        asked = set[str]()
        """Those of which there is no row yet are left as they are."""
        for workflow, version, program, since in self._store.active_workflows():
            for number, schedule in enumerate(self._schedules(program)):
                id_ = schedules.schedule_id(workflow, number)
                asked.add(id_)
                with self._apart(id_):
                    wanted[id_] = schedules.new_row(
                        workflow, version, program, number, schedule, slot_of(id_), since
                    )
        writes = []
        for id_ in sorted({*present, *wanted} - (asked - wanted.keys())):
            if (present.get(id_) or wanted[id_]).slot in mine:
                with self._apart(id_):
                    write = _kept(present.get(id_), wanted.get(id_), now)
                    writes += [] if write is None else [write]
        return bool(writes) and self._commit(worker, writes, [])

    def _schedules(self, program: str) -> tuple[ir.Schedule, ...]:
        if program not in self._known:
            text = self._store.program(program)
            try:
                found = None if text is None else decode(text)
            except UnknownProgram:
                found = None
            self._known[program] = found.schedules if isinstance(found, ir.Program) else ()
        return self._known[program]

    # -- occurrences ------------------------------------------------------------------------------

    def _look(self, worker: str, row: ScheduleRow, now: int) -> list[Message] | None:
        """The messages that a schedule sends now; None if nothing about it has changed."""
        runs = self._runs(row)
        step = schedules.look(row, now, runs=runs)
        if schedules.progress_of(row).backfill:
            there = frozenset(at for at in step.starts if self._is_there(row, at))
            step = schedules.look(row, now, runs=runs, there=there)
        inputs, problems = self._inputs(row, step.starts, now)
        step = schedules.failing(row, step, problems)
        if step.row == row:
            return None
        messages = [_start(row, at, inputs[at], now) for at in step.starts]
        if step.cancel is not None:
            reason = f"the next occurrence of the schedule {row.id} is due"
            name = f"schedule/{row.id}/{row.revision}/cancel"
            messages.append(outgoing.message(step.cancel, ExecutionCanceled(reason=reason), name))
        changed = msgspec.structs.replace(step.row, revision=row.revision + 1)
        return (
            messages
            if self._commit(worker, [ScheduleWrite(id=row.id, row=changed, before=row.revision)], messages)
            else None
        )

    def _runs(self, row: ScheduleRow) -> bool:
        """Whether the instance that was started last has not ended; it may not be there yet."""
        progress = schedules.progress_of(row)
        if progress.asked is not None and self._store.in_inbox(progress.asked):
            return True
        instance = None if progress.last is None else self._store.instance(progress.last)
        return instance is not None and not instance.status.ended

    def _is_there(self, row: ScheduleRow, at: int) -> bool:
        return self._store.instance(schedules.instance_id(row.id, at)) is not None

    def _inputs(
        self, row: ScheduleRow, starts: tuple[int, ...], now: int
    ) -> tuple[dict[int, Any], dict[int, str]]:
        """The input of each slot time, or why there is none."""
        if not starts:
            return {}, {}
        program = self._programs.all([row.program])[row.program]
        inputs: dict[int, Any] = {}
        problems: dict[int, str] = {}
        for at in starts:
            try:
                if isinstance(program, str):
                    problems[at] = program
                else:
                    inputs[at] = schedule_input(program, row.number, at)
            except EvalError as error:
                problems[at] = f"its input: {error.message}"
            else:
                problem = None if isinstance(program, str) else program.input_problem(inputs[at])
                if problem is not None:
                    problems[at] = f"its input does not fit the schema: {problem}"
        return inputs, problems

    def _commit(self, worker: str, writes: list[ScheduleWrite], messages: list[Message]) -> bool:
        try:
            self._store.commit(Batch(worker=worker, schedules=tuple(writes), messages=tuple(messages)))
        except Refused:
            # Somebody has paused it, or the like: the next look goes by what is there then.
            return False
        return True


def schedule_input(program: LinkedProgram, number: int, at: int) -> Any:
    """The input of an occurrence. Raises ``EvalError``."""
    code = program.schedule_inputs[number]
    if code is None:
        return None
    nothing = SimpleNamespace(input=None, vars={}, workflow={}, now_us=at)
    return code({"schedule": {"time": Timestamp(at * 1000)}}, nothing)


def _kept(present: ScheduleRow | None, wanted: ScheduleRow | None, now: int) -> ScheduleWrite | None:
    """What makes a row as it should be; None if it is."""
    if present is None:
        assert wanted is not None, "one of the two is there"
        return ScheduleWrite(id=wanted.id, row=wanted, before=None)
    if wanted is None:
        # A pause outlives the version: nobody has taken it back.
        paused = present.paused and present.due is None
        return None if paused else ScheduleWrite(id=present.id, row=None, before=present.revision)
    if present.program == wanted.program and present.version == wanted.version:
        return None
    row = schedules.follow(present, wanted, now)
    changed = msgspec.structs.replace(row, revision=present.revision + 1)
    return ScheduleWrite(id=row.id, row=changed, before=present.revision)


def _start(row: ScheduleRow, at: int, value: Any, now: int) -> Message:
    name = schedules.start_message(row, at)
    event = StartRequested(
        name=row.workflow, version=row.version, execution=keys.scheduled_execution(name, now), input=value
    )
    return outgoing.message(schedules.instance_id(row.id, at), event, name)
