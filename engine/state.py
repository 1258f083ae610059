"""The state of a running orchestration: plain data, JSON-serialisable with msgspec.

The machine alone changes it, in place. ``ir`` describes fibers, frames and scopes.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from perdure.engine.correlation import Subscription
from perdure.engine.events import Asker, EventRaised, Received, Resume
from perdure.engine.failure import Failure


class _Part(msgspec.Struct, kw_only=True, tag_field="kind", tag=True):
    """The common shape of what may stand in one place."""


# -- completions: why a body is left -----------------------------------------------------------------


class Failed(_Part):
    """By an error."""

    failure: Failure


class Left(_Part):
    """By ``break`` or ``continue``: go on at ``to`` when ``depth`` scopes are left."""

    to: int
    depth: int


class Returned(_Part):
    """By ``return``."""

    value: Any


class Renewed(_Part):
    """By ``continue_as_new``, or (with a ``resume``) at a checkpoint."""

    input: Any
    carry: bool
    resume: Resume | None = None
    version: str = "pinned"


Completion: TypeAlias = Failed | Left | Returned | Renewed


# -- scopes ------------------------------------------------------------------------------------------


class Bound(_Part):
    """An open ``EnterBound`` at ``pc``. ``timeout`` and ``deadline`` are ``seq`` of running timers.

    ``attempt`` counts those that were begun. ``limit`` is an attempt's time in microseconds; ``policy``
    is attempts, delay and longest delay.
    """

    pc: int
    attempt: int = 0
    limit: int | None = None
    policy: tuple[int, int, int] | None = None
    timeout: int | None = None
    deadline: int | None = None
    expired: Literal["timeout", "deadline"] | None = None


class Try(_Part):
    """An open ``EnterTry`` at ``pc``. ``completion`` is what goes on after ``finally``."""

    pc: int
    phase: Literal["body", "catch", "finally"] = "body"
    failure: Failure | None = None
    completion: Completion | None = None

    @property
    def shields(self) -> bool:
        """Whether a cancellation waits until this part has ended: it is what cancellation runs."""
        canceled = self.failure is not None and self.failure.type == "perdure.Canceled"
        return self.phase == "finally" or (self.phase == "catch" and canceled)


class Undo(msgspec.Struct, kw_only=True):
    """A compensation: whose it is, where it starts, and with which frame."""

    path: str
    step: str | None
    body: int
    frame: dict[str, Any]


class Saga(_Part):
    """An open ``EnterSaga`` at ``pc``. ``undos`` are in the order in which they were registered.

    While they run, ``failure`` is what led to it, ``report`` has what came of each, and ``stopped`` is
    the error of the one after which no other was begun.
    """

    pc: int
    undos: list[Undo] = []
    phase: Literal["body", "undo"] = "body"
    failure: Failure | None = None
    report: list[dict[str, Any]] = []
    stopped: Failure | None = None

    @property
    def shields(self) -> bool:
        """Whether a cancellation waits until everything is undone."""
        return self.phase == "undo"


class Lock(_Part):
    """An open ``EnterLock`` at ``pc``: the entities it is for, in order, and those it holds.

    ``held`` has the ``seq`` of the request of each. While some are waited for, ``timer`` is the ``seq`` of
    the timer that bounds this.
    """

    pc: int
    entities: list[str]
    held: dict[str, int] = {}
    timer: int | None = None


Scope: TypeAlias = Bound | Try | Saga | Lock


# -- waits -------------------------------------------------------------------------------------------


class TaskWait(_Part, gc=False):
    """For an activity's result."""

    seq: int


class TimerWait(_Part, gc=False):
    """For a timer: a ``wait``, or the back-off before the next attempt."""

    seq: int


class ReplyWait(_Part, gc=False):
    """For the answer of another instance."""

    seq: int


class LockWait(_Part, gc=False):
    """For the lock of an entity, in the scope right around."""

    seq: int
    entity: str


class EventWait(_Part, gc=False):
    """For events. ``received`` is the list so far; ``needed`` its bound, None without one.

    ``taken`` says of each when it came (see ``State.ages``), and whether it was sent by its content.
    ``subscription`` is the number of the one by which events find it.
    """

    event: str
    timer: int | None
    received: list[Any]
    needed: int | None
    taken: list[tuple[int, bool]] = []
    subscription: int | None = None


class JoinWait(_Part, gc=False):
    """For the branches of a group."""

    group: int


class UndoWait(_Part, gc=False):
    """For a compensation, which runs as the fiber of this id."""

    fiber: int


Wait: TypeAlias = TaskWait | TimerWait | ReplyWait | LockWait | EventWait | JoinWait | UndoWait


class Fiber(msgspec.Struct, kw_only=True):
    """A thread of control. ``group`` and ``branch`` say whose branch it is; None for the first one.

    A compensation belongs to no group; ``undoes`` is the fiber whose saga waits for it. ``failure`` is
    raised when it runs next. ``canceled``: its group needs it no more, or its instance is to end.
    """

    id: int
    pc: int
    frame: dict[str, Any]
    scopes: list[Scope] = []
    wait: Wait | None = None
    group: int | None = None
    branch: int = 0
    undoes: int | None = None
    failure: Failure | None = None
    canceled: bool = False


class Split(msgspec.Struct, kw_only=True):
    """How the items of a group are divided: in ``count`` chunks of ``size``, ``width`` at once in each.

    ``items`` and ``around`` are the keys of what the chunks read. ``canceled`` are those that were told.
    """

    size: int
    count: int
    width: int
    items: str
    around: str
    canceled: list[int] = []


class Group(msgspec.Struct, kw_only=True):
    """The branches that a ``FanOut``, ``Parallel`` or ``Race`` at ``pc`` has started.

    ``active`` maps branch numbers to fibers, in order of start. ``decided`` says why no more are
    started: the outcome stands and the group ends when ``active`` is empty. ``undone`` tells what
    branches that nobody needs any more have undone.

    ``first`` is the index of the first item, in a chunk, and ``spare`` how many of its items may fail. In a
    group that is ``split``, branches are chunks, and so are the keys of ``values`` and ``errors``.
    """

    id: int
    fiber: int
    pc: int
    items: list[Any] = []
    keys: list[str] = []
    first: int = 0
    spare: int | None = None
    split: Split | None = None
    width: int = 0
    next: int = 0
    active: dict[int, int] = {}
    values: dict[int, Any] = {}
    errors: dict[int, Any] = {}
    succeeded: int = 0
    failed: int = 0
    decided: Literal["failure", "until", "tolerance", "winner", "canceled"] | None = None
    failure: Failure | None = None
    winner: int | None = None
    undone: list[Any] = []


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why an instance is to end before its workflow does; ``text`` is a reason, or what the error says."""

    why: Literal["canceled", "timeout", "limit"]
    text: str | None = None


class TimerUse(msgspec.Struct, frozen=True):
    """What a timer is for: which fiber, and at which depth the scope that it bounds stands.

    ``delay`` is how long it runs, and ``path`` the step that it is for.
    """

    fiber: int
    purpose: Literal["wait", "event", "timeout", "deadline", "retry", "workflow", "lock"]
    depth: int = 0
    fire_at: int = 0
    delay: int = 0
    path: str = ""


class Question(msgspec.Struct, frozen=True):
    """What a fiber has asked another instance: which one, and what becomes of it when nobody waits.

    ``on_close`` is ``terminate``, ``cancel`` or ``abandon`` for a child, and empty for what is no child.
    """

    fiber: int
    instance: str
    on_close: str = ""


class State(msgspec.Struct, kw_only=True):
    """Everything that a history adds up to.

    ``questions`` are open, by the ``seq`` of the decision that asked; ``others`` wait for the end of this
    instance beside its parent; ``locks`` are entities that it holds or has asked for, by the ``seq`` of the
    request. ``undone`` counts how often the step at a path was undone.
    ``ending``: everything is being canceled. ``deadline`` is the timer of the whole workflow, and
    ``first_started_at`` is what it counts from. ``resume`` is where the next generation goes on.
    ``limited``: it is suspended because its history is too long, and why; ``allowed`` is how many events
    it may have since then, ``warned``: the log has a word about it.

    ``ages`` are those of the events in ``buffer``, oldest first: ``heard`` counts all that came.
    """

    fibers: dict[int, Fiber] = {}
    groups: dict[int, Group] = {}
    ready: list[int] = []
    tasks: dict[int, int] = {}
    questions: dict[int, Question] = {}
    others: list[Asker] = []
    locks: dict[int, str] = {}
    timers: dict[int, TimerUse] = {}
    waiting: dict[str, list[int]] = {}
    buffer: list[EventRaised] = []
    ages: list[int] = []
    heard: int = 0
    subscriptions: dict[int, Subscription] = {}
    next_subscription: int = 0
    variables: dict[str, Any] = {}
    undone: dict[str, int] = {}
    custom_status: Any = msgspec.UNSET
    suspended: bool = False
    held: list[Received] = []
    begun: bool = False
    ended: bool = False
    ending: Ending | None = None
    deadline: int | None = None
    first_started_at: int = 0
    resume: Resume | None = None
    warned: bool = False
    allowed: int = 0
    limited: str | None = None
    next_fiber: int = 0
    next_group: int = 0
