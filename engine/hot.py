"""What an owner remembers of one instance, and what it wants written and done in one batch."""

from __future__ import annotations

import msgspec

from perdure.compiler.ir import Retention
from perdure.engine.entity_turn import Heard
from perdure.engine.events import ExecutionMigrated, ExecutionResumed, ExecutionStarted
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import LogLine
from perdure.engine.running import Input, Running
from perdure.engine.store.rows import (
    AuditEntry,
    Batch,
    Checkpoint,
    DeadLetter,
    EntityWrite,
    HistoryRow,
    Message,
    Parking,
    Request,
    TaskRow,
)
from perdure.engine.tasks import Task


class Hot:
    """An instance in memory.

    ``running`` is its state, None until it is loaded. ``fresh`` is the row of a start that is not in
    the database yet, with its Program; ``inserted``: a turn not committed yet writes it. ``eager`` and
    ``rows`` divide its open tasks: those that only this memory keeps going, and those with a row in
    ``tasks``. ``excess`` are inputs to be set aside in the inbox; ``held`` counts what lies there,
    ``released`` how many of them are on their way back. ``coming`` is the start of a generation that has not
    begun. ``retention`` is its Program's, which a parked
    instance has no use of but when it is terminated.
    """

    __slots__ = (
        "coming",
        "eager",
        "excess",
        "fresh",
        "held",
        "history",
        "id",
        "inserted",
        "instance",
        "parked",
        "pending",
        "released",
        "retention",
        "rows",
        "running",
        "uncommitted",
    )

    def __init__(self, instance_id: str) -> None:
        self.id = instance_id
        self.running: Running | None = None
        self.fresh: tuple[Instance, LinkedProgram] | None = None
        self.inserted = False
        self.instance: Instance | None = None
        self.history: tuple[HistoryRow, ...] = ()
        self.coming: ExecutionStarted | None = None
        self.pending: list[Input] = []
        self.excess: list[Input] = []
        self.eager: set[tuple[str, int]] = set()
        self.rows: set[tuple[str, int]] = set()
        self.held = 0
        self.released = 0
        self.uncommitted = 0
        self.parked = False
        self.retention: Retention | None = None

    @property
    def resuming(self) -> bool:
        """Whether somebody has asked to let it go on, maybe with another Program."""
        return any(isinstance(each.event, ExecutionResumed | ExecutionMigrated) for each in self.pending)

    @property
    def idle(self) -> bool:
        """Whether forgetting it loses nothing."""
        busy = self.pending or self.excess or self.eager or self.uncommitted or self.fresh
        return not (busy or self.parked or self.released)


class Writes(msgspec.Struct, kw_only=True):
    """Rows to write, and what their commit lets clients know.

    ``answers`` are ids of clients' messages that are durable then, ``refusals`` those that went
    nowhere, with the reason. ``settled`` are ids of inbox rows that the owner need not know any more.
    ``changed`` are instances whose narrow row is a new one; ``notes`` are lines for the log.
    """

    checkpoints: list[Checkpoint] = []
    parkings: list[Parking] = []
    requests: list[Request] = []
    replies: list[Request] = []
    entities: list[EntityWrite] = []
    messages: list[Message] = []
    hold: list[str] = []
    unhold: list[tuple[str, int]] = []
    discard: list[str] = []
    dead_letters: list[DeadLetter] = []
    adopt: list[TaskRow] = []
    audit: list[AuditEntry] = []
    answers: list[str] = []
    refusals: list[tuple[str, str]] = []
    settled: list[str] = []
    notes: list[str] = []
    changed: list[Instance] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return not any(getattr(self, name) for name in self.__struct_fields__)

    def unholds(self, instance_id: str) -> bool:
        """Whether rows of this instance are to be handed out again."""
        return any(instance == instance_id for instance, _ in self.unhold)

    def extend(self, other: Writes) -> None:
        """Add everything of another one, behind what is here."""
        for name in self.__struct_fields__:
            getattr(self, name).extend(getattr(other, name))


class SealedTurn(msgspec.Struct, kw_only=True):
    """What a turn did to its ``Hot``, so that a lost batch can be taken back.

    ``found`` is the instance's row as it was before.
    """

    hot: str
    found: Instance
    inputs: list[Input]
    eager: list[tuple[str, int]] = []
    eager_closed: list[tuple[str, int]] = []
    rows: list[tuple[str, int]] = []
    rows_closed: list[tuple[str, int]] = []


class SealedEntity(msgspec.Struct, kw_only=True):
    """What a turn did to an entity in memory. ``written`` are messages whose rows the batch writes.

    ``first`` is the one that it is about when messages are taken one by one.
    """

    id: str
    inputs: list[Heard]
    first: Heard
    written: set[str] = set()


class Sealed(msgspec.Struct, kw_only=True):
    """One batch in the making, and the effects that its commit releases.

    ``own`` follows from the turns and is made again when they are taken again; ``rest`` does not.
    ``superseded`` are results, by instance and task, of which nobody takes notice. ``activities`` are to be
    run here, ``canceled`` to be told to stop. ``timers`` are (due, execution, seq, instance).
    ``outcomes`` are answers to clients of this process, by the message's id.
    """

    turns: list[SealedTurn] = []
    own: Writes = msgspec.field(default_factory=Writes)
    rest: Writes = msgspec.field(default_factory=Writes)
    activities: list[Task] = []
    canceled: list[tuple[str, int]] = []
    logs: list[tuple[Instance, LogLine]] = []
    superseded: list[tuple[str, int]] = []
    timers: list[tuple[int, str, int, str]] = []
    timers_closed: list[tuple[str, int]] = []
    entities: list[SealedEntity] = []
    outcomes: dict[str, Request] = {}

    def batch(self, worker: str, lease: int | None = None, trusted: tuple[str, ...] = ()) -> Batch:
        """The rows, for the store."""
        own, rest = self.own, self.rest
        checkpoints = tuple(own.checkpoints + rest.checkpoints)
        # A task that a turn of this very batch closes must not be handed to anybody.
        closed = {key for each in checkpoints for key in each.tasks_closed} if rest.adopt else set()
        return Batch(
            worker=worker,
            checkpoints=checkpoints,
            parkings=tuple(own.parkings + rest.parkings),
            requests=tuple(own.requests + rest.requests),
            replies=tuple(own.replies + rest.replies),
            entities=tuple(own.entities + rest.entities),
            messages=tuple(own.messages + rest.messages),
            hold=tuple(own.hold + rest.hold),
            unhold=tuple(own.unhold + rest.unhold),
            discard=tuple(own.discard + rest.discard),
            dead_letters=tuple(own.dead_letters + rest.dead_letters),
            adopt=tuple(row for row in own.adopt + rest.adopt if (row.execution, row.seq) not in closed),
            audit=tuple(own.audit + rest.audit),
            trusted=trusted,
            lease=lease,
        )

    @property
    def answers(self) -> list[str]:
        """Ids of clients' messages that are durable once this is committed."""
        return self.own.answers + self.rest.answers

    @property
    def refusals(self) -> list[tuple[str, str]]:
        """Ids of clients' messages that went nowhere, with the reason."""
        return self.own.refusals + self.rest.refusals

    @property
    def changed(self) -> list[Instance]:
        """Instances whose narrow row is a new one."""
        return self.own.changed + self.rest.changed
