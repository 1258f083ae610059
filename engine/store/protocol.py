"""What a store promises, in words. ``memory`` is the reference; the SQL stores must agree with it.

Every method is one transaction: all of it happens, or nothing. Methods marked *fenced* first make
sure, inside their transaction, that the worker is live, and raise ``FenceLost`` when it is not. Any
method may raise ``Busy`` (nothing happened; try again) or, where it writes, ``OutcomeUnknown`` (the
connection broke in COMMIT; the worker must ``rejoin``).

Order inside a commit: requests, what replaced instances leave, instances, entities, payloads, history,
inbox (consumed), timers, tasks, inbox (new), dead letters, audit, each sorted by key, so that two
transactions never wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from perdure.engine.instance import Instance
from perdure.engine.store.notices import Told
from perdure.engine.store.rows import (
    ApiKey,
    AuditEntry,
    AuditQuery,
    Batch,
    Beat,
    Counts,
    DeadLetter,
    Definition,
    EndedQuery,
    EntityQuery,
    EntityRow,
    HistoryRow,
    IfExists,
    InstanceQuery,
    Key,
    Loaded,
    LookUp,
    Message,
    PayloadRow,
    Publication,
    Purged,
    QueueRow,
    Request,
    ScheduleRow,
    ScheduleWrite,
    Takeover,
    TaskRow,
    TimerRow,
    Worker,
)


class Membership(Protocol):
    """Who is a member of the hub, and who serves which slot."""

    def join(self, worker: Worker, lease: int) -> None:
        """Insert the worker, live, with a lease of ``lease`` microseconds. Its id was never used."""

    def rejoin(self, old: Sequence[str], worker: Worker, lease: int) -> frozenset[int]:
        """Declare every id in ``old`` dead and pass its slots and tasks to ``worker``, a new id.

        Waits for whatever of ``old`` the database still executes. Returns the slots it now owns.
        """

    def leave(self, worker: str) -> None:
        """Release slots and claimed tasks, and set the worker's state to ``left``."""

    def workers(self) -> list[Worker]:
        """All live workers, oldest first."""

    def gone(self, worker: str) -> list[str]:
        """Live workers other than this one whose process is surely over (its lock is free)."""

    def take_over(self, worker: str, victim: str, seen_lease: int | None) -> bool:
        """Fenced. Declare ``victim`` dead and free its slots and tasks; False if it is not to be.

        With ``seen_lease`` the victim's lease must still be that one, and expired by the store's
        clock. Without, its process must be surely over.
        """

    def take_slots(self, worker: str, slots: Collection[int] | None = None) -> frozenset[int]:
        """Fenced. Take those of the slots that are free; returns all that the worker now owns.

        With None that is all of them or, where another has any, none: so one worker owns all slots of a hub
        on SQLite.
        """

    def release_slots(self, worker: str, slots: Collection[int], tasks: Sequence[TaskRow]) -> None:
        """Fenced. Give slots of the worker back, for whoever takes them, with rows for ``tasks``.

        These are those that run in its process still: it has claimed them. Raises ``Refused`` when it does
        not own a slot, or there is a row of a task already.
        """

    def slot_owners(self) -> dict[int, str]:
        """Who owns each slot; those that are free are left out."""

    def drain(self, worker: str, audit: AuditEntry | None = None) -> bool:
        """Ask a live worker to give its slots to others, end what it runs, and leave; False without one."""

    def crashes(self, worker: str) -> dict[int, int]:
        """How many owners of its slots were taken over from, each of them, since it was last calm.

        Slots without any are left out.
        """

    def calm(self, worker: str) -> None:
        """Fenced. Forget the deaths of the owners of its slots."""

    def begin_turn(self, worker: str, instance_id: str) -> int:
        """Fenced. Count a turn of a suspect before it is taken, until it is ``trusted`` in a batch.

        Returns how many were counted, this one included; 0 when there is no such instance.
        """

    def suspected(self) -> dict[str, int]:
        """How many turns of each instance were counted so; those without any are left out."""

    def owned_slots(self) -> dict[str, int]:
        """How many slots each worker owns."""


class Turns(Protocol):
    """What the owner of slots needs."""

    def time(self) -> int:
        """The store's time, never earlier than what it said before."""

    def commit(self, batch: Batch) -> int:
        """Fenced. Write the batch; returns the store's time.

        Raises ``Refused`` when a row cannot be written or a guard does not hold: an id that exists,
        an instance whose execution or status is not the expected one, a consumed message that is not
        there, a text that the database does not take. Nothing is written then.
        """

    def load(self, ids: Sequence[str]) -> list[Loaded]:
        """The instances among ``ids`` that exist, with the histories of their present generations."""

    def load_entities(self, ids: Sequence[str]) -> list[EntityRow]:
        """The rows of those among ``ids`` that have one."""

    def load_open(self, slots: Iterable[int], between: Callable[[], None] | None = None) -> Takeover:
        """The not ended instances of these slots whose last row has ``open`` > 0.

        Each is of one snapshot. ``between`` is called now and then, for it may take long.
        """

    def inbox(self, slots: Iterable[int], limit: int) -> list[Message]:
        """Messages that are due and not held, oldest first."""

    def timers(self, slots: Iterable[int], until: int, limit: int) -> list[TimerRow]:
        """Timers due at ``until`` or before, earliest first."""

    def next_timer(self, slots: Iterable[int]) -> int | None:
        """When the earliest timer or waiting message is due. Timers of who is suspended do not count."""

    def next_delayed(self, slots: Iterable[int], after: int) -> int | None:
        """When the first message or schedule is due that is due later than ``after``; no held message."""

    def look_up(
        self,
        ids: Sequence[str],
        definitions: Sequence[tuple[str, str | None]],
        requests: Sequence[tuple[str, str, str]],
    ) -> LookUp:
        """Rows for what clients chose, in one read. A version of None means the active one."""


class Tasks(Protocol):
    """What a worker that runs activities needs."""

    def claim(
        self,
        worker: str,
        names: Sequence[str],
        private: Sequence[str],
        limit: int,
        max_deliveries: int,
        *,
        queues: Sequence[str] = (),
        suspects: int | None = None,
        after: str = "",
    ) -> list[TaskRow]:
        """Fenced, if there is a task. Hand out up to ``limit``, counting the delivery before the work.

        Of the default queue and the named ``queues`` those named in ``names``, of ``private`` queues all.
        ``claiming`` says which come first; ``after`` is the fairness key that was served last. A task that
        was handed out ``max_deliveries`` times already is deleted instead, with a dead letter and a
        ``TaskFailed`` message (error ``perdure.Poison``, not retryable) in the same transaction. Of those
        that were handed out ``poison.SUSPECT`` times already, at most so many ``suspects`` come, behind the
        others.
        """

    def beat(self, worker: str, beats: Sequence[Beat]) -> frozenset[Key]:
        """Write signs of life of tasks that this worker has claimed; returns those that it has still.

        Of any other task nothing is written.
        """

    def heartbeat_details(self, instance: str, execution: str, path: str) -> str | None:
        """What the attempts of a step have reported last, as JSON text."""

    def fail_silent(self, worker: str, limit: int) -> int:
        """Fenced, if there is one. Fail claimed tasks that are not heard of in time; returns how many.

        They are deleted, with a ``TaskFailed`` message (error ``perdure.Timeout``) in the same transaction.
        """

    def hand_over(self, worker: str, tasks: Sequence[Key]) -> frozenset[Key]:
        """Keep those of the tasks that this worker holds for whoever has their tokens; returns them.

        They count as claimed and are handed out to nobody.
        """

    def answer(self, message: Message, task: Key) -> Message | None:
        """Delete the task and put its result into the inbox; returns the one that lies there already, if any.

        Nothing is done then. The answer is as if it were handed out now: not ``held``.
        """

    def token_key(self) -> str:
        """What this hub's tokens are sealed with; it never changes."""

    def claimed_count(self, concurrency_key: str) -> int:
        """How many tasks of a concurrency key are claimed now."""

    def queues(self) -> list[QueueRow]:
        """The queues that have settings, by name."""

    def set_queue(self, name: str, settings: QueueRow | None, audit: AuditEntry | None = None) -> None:
        """Write the settings of a queue; None takes them away."""

    def record(self, results: Sequence[Message], tasks: Sequence[tuple[str, int]]) -> None:
        """Delete the tasks and put their results into the inbox, unless they lie there already.

        Not fenced: a late result is true.
        """

    def claimed(self, worker: str) -> frozenset[tuple[str, int]]:
        """Keys of the tasks that this worker holds; what it runs and does not hold is canceled."""

    def give_back(self, worker: str, tasks: Sequence[tuple[str, int]]) -> None:
        """Free those of the tasks that this worker holds and has not begun: the delivery does not count."""

    def waiting_tasks(self, instance: str) -> list[TaskRow]:
        """The rows of an instance's tasks that no worker holds."""


class Clients(Protocol):
    """What a client beside the owner needs: it writes messages and reads committed rows."""

    def deploy(
        self,
        entries: Sequence[tuple[Definition, str]],
        *,
        activate: bool = True,
        audit: Sequence[AuditEntry] = (),
    ) -> list[Definition | None]:
        """Store definitions with their Programs, and make them the active versions: all of them, or none.

        For each one None if it is new, else the row that was there under its name and version. When one
        of these has another digest, nothing is stored at all. What is retired stays so. Without
        ``activate`` the active versions stay what they are. The entries of the audit whose targets are
        ``NAME@VERSION`` of new ones, or of some that were not active, are written.
        """

    def activate(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        """Make a version the active one, retired or not; returns its row as it was, None without one.

        The audit is written if that changes something.
        """

    def retire(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        """Let a version start nothing any more, nor be the active one; ``activate`` says the rest."""

    def pin(self, digest: str, program: str) -> None:
        """Store a Program under its digest, without a definition. Twice is once."""

    def program(self, digest: str) -> str | None:
        """The encoded Program of this digest."""

    def definitions(
        self,
        name: str | None = None,
        *,
        after: tuple[str, int, str] | None = None,
        limit: int | None = None,
    ) -> list[Definition]:
        """All definitions, by name and then newest first (``created_at``, then ``version``).

        With a ``limit`` so many of them ``after`` the one of this name, time and version.
        """

    def start(
        self,
        instance: Instance,
        payload: PayloadRow,
        message: Message,
        request: Request | None,
        audit: AuditEntry | None = None,
        *,
        if_exists: IfExists = "reject",
        event: Message | None = None,
    ) -> Request | None:
        """Insert the pending instance, its input and its start message with the values of both.

        ``audit`` says who did it.

        Returns the request that was carried out under this key before, and does nothing then. When the id
        exists, ``reuse`` writes the request alone and ``replace_ended`` purges an instance that has ended
        first. With either, an instance that has not ended hears the ``event``; one that is started hears it
        first of all. Raises ``Conflict`` when the id is in use, ``Ended`` when nobody hears the event.
        """

    def send(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        """Put a message into the inbox of an instance that has not ended; ``start`` says the rest.

        Raises ``NotFound`` and ``Ended``.
        """

    def reopen(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        """Put an order to go on into the inbox of an instance that has ended; ``start`` says the rest.

        The message's ``execution`` is the one that ended. Raises ``NotFound``, and ``Conflict`` when the
        instance has not ended or another order was faster.
        """

    def post(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        """Put a message into the inbox of an entity, which is there when it is spoken to.

        ``start`` says the rest.
        """

    def forget_request(self, route: str, target: str, key: str) -> None:
        """Delete what makes a request repeatable, if it is there: nobody will repeat it."""

    def entities(self, query: EntityQuery) -> list[EntityRow]:
        """Rows that match and have a state, by type and key."""

    def waited(self, name: str) -> list[tuple[str, int]]:
        """Digests and instructions by which somebody waits for events of a name, in this order."""

    def publish(
        self, publication: Publication, request: Request | None
    ) -> tuple[Request | None, tuple[str, ...]]:
        """Put an event into the inbox of every instance that has subscribed to it, once each.

        That deletes the first of its subscriptions if one event is all that it waits for. Returns the ids,
        in order, or the request that was carried out under this key before; a request that found nobody is
        not kept. Its answer is the list of ids, as JSON.
        """

    def instance(self, instance_id: str) -> Instance | None:
        """The row of an instance."""

    def in_inbox(self, message_id: str) -> bool:
        """Whether a message waits to be taken, however it waits."""

    def payloads(self, instance_id: str) -> dict[str, str]:
        """Its ``input``, ``output`` and ``error``, as far as there are any, whole."""

    def with_payloads(self, ids: Sequence[str]) -> dict[str, tuple[Instance, dict[str, str]]]:
        """Those that there are, with their ``payloads``, all of one moment."""

    def payload(self, instance_id: str, key: str) -> str | None:
        """One of its values by its key."""

    def instances(self, query: InstanceQuery) -> list[Instance]:
        """Rows that match, newest first (``created_at``, then id)."""

    def history(self, instance_id: str, generation: int, after: int, limit: int) -> list[HistoryRow]:
        """History rows with ``first_seq`` >= ``after``, in order."""

    def dead_letters(
        self, instance_id: str | None = None, limit: int = 100, before: int | None = None
    ) -> list[DeadLetter]:
        """Newest first; ``before`` is the ``ord`` of the last one of the page before."""

    def dead_letter(self, ord: int) -> DeadLetter | None:
        """The one of this number."""

    def redeliver(
        self, ord: int, message_id: str, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        """Put the message of a dead letter back into the inbox, as ``message_id``, and delete the letter.

        Returns the request that was carried out under this key before, and does nothing then. Raises
        ``NotFound`` for a letter that is not there, or whose instance is not, ``Ended``, and ``Conflict``
        for a task, or for what answers an execution that is over.
        """

    def discard(self, ord: int, request: Request | None, audit: AuditEntry | None = None) -> Request | None:
        """Delete a dead letter. Raises ``NotFound``; ``redeliver`` says the rest."""

    def audit(self, query: AuditQuery) -> list[AuditEntry]:
        """Entries that match, newest first: the order is that of writing."""


class Counting(Protocol):
    """How much of everything there is."""

    def counts(self, most: int) -> Counts:
        """Everything of one moment, each counted up to ``most``; queues are counted for the first 1,000."""


class Access(Protocol):
    """Who may ask over HTTP."""

    def add_api_key(self, key: ApiKey, audit: AuditEntry | None = None) -> ApiKey:
        """Keep a key; it is created now. Raises ``Conflict`` when one of its name is not revoked."""

    def api_keys(self) -> list[ApiKey]:
        """All that there have been, oldest first."""

    def api_key(self, id: str) -> ApiKey | None:
        """The one of this id."""

    def revoke_api_key(self, name: str, audit: AuditEntry | None = None) -> ApiKey:
        """Let a key, by its id or its name, count no more. One that is revoked stays as it is.

        Raises ``NotFound``.
        """

    def use_api_key(self, id: str, every: int) -> None:
        """Note that a key is used, unless that was noted less than ``every`` microseconds ago."""

    def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Write entries that tell of nothing that was done: who was refused."""


class Grooming(Protocol):
    """The end of what is over. Nothing of an instance that has not ended is ever deleted.

    With an instance go its descendants that have ended. On PostgreSQL ``groom`` and ``forget_requests``
    pass over rows that others have locked (SKIP LOCKED).
    """

    def purge(
        self, instance_id: str, *, leave_running: bool = False, audit: AuditEntry | None = None
    ) -> Purged:
        """Delete an instance that has ended from every table.

        Raises ``NotFound``, and ``Conflict`` when it, or a child of those who would go, has not ended;
        with ``leave_running`` such children stay behind and go on.
        """

    def purge_ended(self, query: EndedQuery, audit: AuditEntry | None = None) -> Purged:
        """Purge a slice of those that match; ``audit`` is written unless there was nothing to delete."""

    def count_ended(self, query: EndedQuery) -> int:
        """How many match, wherever the slice begins."""

    def groom(self, limit: int, most_rows: int) -> Purged:
        """Purge up to ``limit`` instances whose ``purge_at`` has come; as ``EndedQuery.rows`` says, fewer.

        Those of whom a child has not ended are passed over.
        """

    def forget_requests(self, before: int, limit: int) -> int:
        """Delete up to ``limit`` requests that were written before this time, oldest first; how many."""


class Schedules(Protocol):
    """What starts workflows by the calendar. Rows are written with ``commit``, and by ``change_schedule``."""

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by id."""

    def schedule(self, schedule_id: str) -> ScheduleRow | None:
        """One of them."""

    def due_schedules(self, slots: Iterable[int], limit: int) -> list[ScheduleRow]:
        """The first ``limit`` of these slots that are due, the earliest first."""

    def active_workflows(self) -> list[tuple[str, str, str, int]]:
        """Name, version and Program of each active definition of a workflow, and since when it is active."""

    def change_schedule(self, write: ScheduleWrite, audit: AuditEntry) -> None:
        """Change a schedule as an operator wants it. Raises ``Refused`` when the row is not as it was."""


class Store(Access, Counting, Membership, Turns, Tasks, Clients, Grooming, Schedules, Protocol):
    """A hub's database. Safe to use from several threads."""

    shares_slots: bool
    """Whether several workers have slots at a time: where each of them can write beside the others."""

    def changed(self) -> bool:
        """Whether another connection has written since the last call; True may be said in vain.

        Never missed: that requests of one client keep their order through two processes rests on it.
        """

    @property
    def listening(self) -> bool:
        """Whether this process is told of what others write: then it need not look often."""

    def listen(self, told: Told, /) -> Callable[[], None]:
        """Call ``told`` when others have written what concerns this process, as far as it is told.

        A hint, which may come late, in vain, or never. Returns what ends it.
        """

    def close(self) -> None:
        """Close the connections. The store is not used afterwards."""
