"""What the duties of a member share: the hub, the owner of its slots, and news of both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from perdure.engine.errors import (
    PerdureError,
)
from perdure.engine.heartbeats import Heartbeats
from perdure.engine.instance import SLOTS, slot_of
from perdure.engine.membership import Watch
from perdure.engine.owner import Owner
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask, Finished
from perdure.engine.residents import MAX_TURNS
from perdure.engine.scheduling import Scheduling
from perdure.engine.sharing import Unserved
from perdure.engine.store.protocol import Store
from perdure.engine.suspects import Suspects
from perdure.engine.tasks import DEFAULT_QUEUE, Work

PAGE = 1000
"""Rows of the inbox, or timers, that are read at once."""
POLL_EVERY = 0.5
"""Seconds between looks at the inbox and the tasks without any hint."""
MEMBERS_EVERY = 0.25
"""Seconds between looks at the other members, and at slots that nobody owns."""


class Pace(NamedTuple):
    """Seconds between looks without a hint, at work and at members.

    Who is ``told`` of what others write asks whether there is any only where an order rests on it.
    """

    poll: float = POLL_EVERY
    members: float = MEMBERS_EVERY
    told: bool = False


class Activities(Protocol):
    """Who runs activities, and tells ``Duties.done`` of each how it ended."""

    @property
    def names(self) -> frozenset[str]:
        """The activities that are offered."""

    def offers(self, name: str) -> bool:
        """Whether an activity is one of them."""

    @property
    def running(self) -> frozenset[tuple[str, int]]:
        """Keys of the tasks that run or wait for a place here."""

    @property
    def claimable(self) -> tuple[list[str], int]:
        """The names of which more tasks could start at once, and how many of each of them."""

    def start(self, tasks: Iterable[Work]) -> None:
        """Run tasks, in order, as places become free."""

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Tell activities that nobody waits for them."""

    def tend(self, now: float) -> None:
        """Look after what runs; ``now`` in seconds."""

    @property
    def heartbeats(self) -> Heartbeats:
        """What those that run have reported."""


class Workplace:
    """What a member of a hub has at hand: see ``duties``, which are done here.

    ``changed`` is called with the id of each instance whose row a commit has changed, ``moved`` when slots
    have left, so that others may change it unheard, ``recorded`` with an instance's id and its new history
    events. ``asking`` and ``finished`` are filled from any thread.
    Who ``shares`` has some of the slots beside others, who does not has all of them or none.
    """

    def __init__(
        self,
        store: Store,
        programs: Programs,
        activities: Activities,
        *,
        reserve: bool,
        queues: Sequence[str],
        private: Sequence[str] = (),
        lease: int,
        memory: int,
        turns: int = MAX_TURNS,
        page: int | None = None,
        takes_turns: bool = True,
        shares: bool = False,
    ) -> None:
        self.store = store
        self.programs = programs
        self.asking: deque[Ask] = deque()
        self.finished: deque[Finished] = deque()
        self.changed: Callable[[str], None] = lambda _instance: None
        self.moved: Callable[[], None] = lambda: None
        self.recorded: Callable[[str, list[dict[str, Any]]], None] | None = None
        self.slots: frozenset[int] = frozenset()
        self.pace = Pace()
        self._told = False
        self._scheduling = Scheduling(store, programs)
        self._scheduled = float("-inf")
        self._scheduled_until = self._read_until = 0
        """The store's time of the last look at schedules, and at the inbox."""
        self._delayed: int | None = None
        """When the next message or schedule is due of which nobody tells, as far as it is known."""
        self._delayed_news = True
        self.owner = Owner(self._offers, memory=memory, turns=turns)
        self._activities = activities
        self._queues = tuple(dict.fromkeys(each for each in queues if each != DEFAULT_QUEUE))
        self._private = tuple(private)
        self.rated = False
        """Whether a queue that is served here has a rate: nobody tells when that lets more through."""
        self._after = ""
        """The fairness key that was served last."""
        self._reserve = reserve
        self._takes_turns = takes_turns
        self._shares = shares
        self._draining = False
        self._has_heirs = True
        """Whether somebody else could have the slots, as far as it is known."""
        self._lease = lease
        self._page = PAGE if page is None else page
        self._ids: list[str] = []
        self._watch = Watch(lease)
        self._asks: dict[str, Ask] = {}
        """What the owner has taken from clients, by the message's id, until it is durable or refused."""
        self._keys: set[tuple[str, str, str]] = set()
        self._claims: set[tuple[str, int]] = set()
        self._suspect: tuple[tuple[str, int], float] | None = None
        """A task that ran when workers died, and since when it runs here."""
        self._renewed = self._looked = self._polled = self._claimed = float("-inf")
        self._rates_seen = float("-inf")
        self._groom_at = float("-inf")
        self._free_since: float | None = None
        self._unserved = Unserved()
        self._suspects = Suspects()
        self._news = self._tasks_news = self._types_news = True
        self._types_seen: set[str] = set()
        """Types of entities that were looked up since there was any news of them."""

    @property
    def id(self) -> str:
        """The id under which it is a member now."""
        return self._ids[-1]

    def done(self, task: Work, event: Any) -> None:
        """An activity has ended; from any thread."""
        self.finished.append(Finished(task.instance, task.execution, event))

    def told(self, *, members: bool) -> None:
        """Others have written something, perhaps about ``members`` or their slots; from any thread."""
        if members:
            self._looked = float("-inf")
        self._told = True

    @property
    def asked(self) -> int:
        """How much clients have asked that is not answered."""
        return len(self.asking) + len(self._asks)

    def fail_asks(self, error: PerdureError) -> None:
        """Nobody will answer who has asked any more."""
        for ask in [*self.asking, *self._asks.values()]:
            ask.fail(error)

    def _offers(self, name: str, queue: str | None) -> bool:
        return queue in self._private if queue is not None else self._activities.offers(name)

    def owns(self, instance_id: str) -> bool:
        """Whether turns of an instance, or of the entity at an address, are taken here."""
        return len(self.slots) == SLOTS or (bool(self.slots) and slot_of(instance_id) in self.slots)

    @property
    def _has_chores(self) -> bool:
        """Whether what is to be done once for the whole hub is done here."""
        return 0 in self.slots

    @property
    def _here(self) -> frozenset[tuple[str, int]]:
        """Keys of the tasks that run here, or have ended and are not recorded."""
        running = self._activities.running  # First: what ends meanwhile is found among those that have.
        return running | {each.key for each in self.finished.copy()}

    def _ask_again(self, message_ids: Iterable[str]) -> None:
        for message_id in message_ids:
            ask = self._forget(message_id)
            if ask is not None:
                self.asking.append(ask)

    def _forget(self, message_id: str) -> Ask | None:
        ask = self._asks.pop(message_id, None)
        if ask is not None and ask.key is not None:
            self._keys.discard(ask.key)
        return ask
