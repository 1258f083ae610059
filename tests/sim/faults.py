"""A store that fails in every way that a database over a network can, as a seed decides.

The same wrapper serves every store. What an actor sees is never more than a real one could: an error, no
answer, its own end. Who looks at the store from outside uses the inner one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from perdure.engine.errors import Busy, OutcomeUnknown, StoreError
from perdure.engine.store.rows import Message, Request
from tests.sim.calls import SENDS, WRITES
from tests.sim.hubs import Hub, Torn
from tests.sim.plan import DEADLY, Plan
from tests.sim.world import SECOND, World

MOST_STATEMENTS = 12
"""Of a transaction, after which a process may die."""
HANDED_OUT = 3
"""Hand-outs of a task, or begun turns of a suspect less one, after which no more process dies: no poison."""


class Network:
    """What lies between the processes of a run and its database.

    ``written`` hears of each write that was applied: its name, arguments and result.
    """

    def __init__(
        self,
        world: World,
        plan: Plan,
        hub: Hub,
        *,
        lease: int,
        written: Callable[[str, tuple[Any, ...], Any], None],
    ) -> None:
        self.world = world
        self.plan = plan
        self.hub = hub
        self.lease = lease
        self.written = written
        self.away_until = 0
        self.full_until = 0
        self.full_error: type[StoreError] = Busy
        self.written_at = 0
        """When the last write was applied, by the clock of the process that made it."""
        self.connected: list[FaultyStore] = []
        self.buried: set[str] = set()
        """Members that another one has declared dead."""
        self.on_the_way = object()
        """The group of what was sent and has not arrived."""

    def weather(self, name: str) -> None:
        """What nobody in particular suffers from: clocks, the database away, no place on the disk."""
        plan, world = self.plan, self.world
        if plan.happens("clock_jump"):
            self._step_the_clock()
        if plan.happens("busy_burst"):
            self.away_until = world.now + plan.random.randrange(1, SECOND // 2)
        if plan.happens("outage"):
            self.away_until = world.now + plan.random.randrange(1, 4 * self.lease)
        if plan.happens("full"):
            self.full_until = world.now + plan.random.randrange(1, 2 * self.lease)
            self.full_error = plan.random.choice([Busy, StoreError])
        if plan.active and world.now < self.away_until:
            world.note(f"{name} finds the database away")
            raise Busy("the database is away")
        if plan.active and name in WRITES and world.now < self.full_until:
            world.note(f"{name} finds the disk full")
            raise self.full_error("the disk is full, or may not be written")

    def _step_the_clock(self) -> None:
        """The store's clock; half of the times the whole machine slept, and all others with it."""
        plan, world = self.plan, self.world
        match plan.random.randrange(4):
            case 0:
                step = -plan.random.randrange(1, 4 * self.lease)
                world.offset += max(step, -3600 * SECOND)
            case 1:
                world.offset += plan.random.randrange(1, 3600 * SECOND)
            case _:
                world.now += plan.random.randrange(1, 3600 * SECOND)
        world.note("the clock jumps")

    def may_die(self) -> bool:
        """Whether the end of one more process makes no poison of what is merely unlucky."""
        handed = [row["deliveries"] for row in self.hub.rows("tasks")]
        begun = [row["suspect"] for row in self.hub.rows("instances")]
        return max(handed, default=0) < HANDED_OUT and max(begun, default=0) < HANDED_OUT - 1

    def lose_power(self, last: FaultyStore) -> None:
        """Everybody ends, ``last`` at the end: it is the one who speaks."""
        self.world.kill(self.on_the_way)
        for each in self.connected:
            if each is not last:
                each.crash()
        self.connected.clear()
        last.crash()


class FaultyStore:
    """What one process sees of the store.

    ``crash`` ends the process and does not return to it. One that is ``outside`` has no worker: its end
    does not hurt anybody.
    """

    def __init__(
        self, network: Network, name: str, *, crash: Callable[[], None], outside: bool = False
    ) -> None:
        self._network = network
        self._world = network.world
        self._plan = network.plan
        self._hub = network.hub
        self._store = network.hub.outside() if outside else network.hub.connect()
        self._name = name
        self.crash = crash
        self._outside = outside
        self._seen = -1
        self.member_ids: list[str] = []
        """The ids under which this process has been a member."""
        self.writes = 0
        """How many writes all processes have made, kept by the simulation."""
        network.connected.append(self)

    def time(self) -> int:
        """The store's time."""
        return self._store.time()

    def changed(self) -> bool:
        """Whether another has written: never missed, and now and then said in vain."""
        news = self.news
        self._seen = self.writes
        return self._hub.changed(self._store, news=news) or self._plan.happens("false_hint")

    @property
    def news(self) -> bool:
        """Whether another process may have written since ``changed`` was asked."""
        return self._seen != self.writes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def call(*arguments: Any, **more: Any) -> Any:
            return self._call(name, lambda: method(*arguments, **more), arguments)

        return call

    def _call(self, name: str, act: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        self._plan.calls += 1
        self._world.pause()
        self._network.weather(name)
        if self._plan.happens("fail_before"):
            self._note(name, "fails before")
            raise Busy("injected: nothing happened")
        if self._dies("crash_before"):
            self._note(name, "crash before")
            self.crash()
        if name in WRITES:
            return self._write(name, act, arguments)
        return self._shuffled(act()) if name == "inbox" else act()

    def _write(self, name: str, act: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        self._before(name, act, arguments)
        result = self._torn(name, act) if self._dies("tear") else act()
        if name in {"claim", "fail_silent", "forget_requests"} and not result:
            return result
        self._note(name, "done")
        self._written(name, arguments, result)
        if _is_guarded(name, arguments, result) and self._plan.happens("duplicate"):
            self._again(name, act)
        if self._plan.happens("fail_after"):
            self._note(name, "no answer")
            raise OutcomeUnknown("injected: done, but no answer")
        if self._dies("crash_after"):
            self._note(name, "crash after")
            self.crash()
        self._world.pause()
        return result

    def _written(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        if name in {"join", "rejoin"}:
            self.member_ids.append(arguments[-2].id)
        if name == "take_over" and result:
            self._network.buried.add(arguments[1])
        self._network.written_at = self._store.time()
        self._network.written(name, arguments, result)

    def _before(self, name: str, act: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
        """What may happen to a write on its way."""
        plan, lease = self._plan, self._network.lease
        if plan.happens("no_answer"):
            self._note(name, "is cut off, and was not done")
            raise OutcomeUnknown("injected: not done, and no answer")
        if self._dies("stall"):
            self._note(name, "stalls")
            self._world.sleep(plan.random.randrange(lease, 4 * lease))
        if name in SENDS and plan.happens("reorder"):
            self._note(name, "is overtaken")
            self._world.sleep(plan.random.randrange(1, SECOND))
        if name == "commit" and plan.happens("delay"):
            self._note(name, "is on its way, and nobody hears of it")
            delay = plan.random.randrange(1, 3 * lease)
            late = f"{self._name}'s late commit"
            self._world.later(late, delay, lambda: self._late(act, arguments), self._network.on_the_way)
            raise OutcomeUnknown("injected: no answer")
        if self._dies("power_loss"):
            self._without_power(name, act, arguments)

    # -- the end of processes ---------------------------------------------------------------------

    def _dies(self, kind: str) -> bool:
        """Whether a fault happens by which the process ends, or is taken for dead."""
        assert kind in DEADLY
        if self._outside and kind != "power_loss":
            return self._plan.happens(kind)
        return self._plan.kills(kind, self._network.may_die)

    def _torn(self, name: str, act: Callable[[], Any]) -> Any:
        before = self._hub.dump()
        try:
            with self._hub.torn_after(self._store, self._plan.random.randrange(MOST_STATEMENTS)):
                return act()
        except Torn:
            self._note(name, "is torn")
        assert self._hub.dump() == before, f"I2: something of a torn {name} has remained"
        self.crash()
        raise AssertionError("who is dead does not go on")

    def _without_power(self, name: str, act: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
        results = []
        whole = self._hub.without_power(self._store, lambda: results.append(act()), self._plan.random)
        self._note(name, f"and then the power fails; it was {'done' if whole and results else 'not done'}")
        if whole and results:
            self._written(name, arguments, *results)
        self._network.lose_power(self)

    # -- what a network does ----------------------------------------------------------------------

    def _late(self, act: Callable[[], Any], arguments: tuple[Any, ...]) -> None:
        """A commit that arrives when its sender has given it up."""
        try:
            result = act()
        except StoreError as error:
            self._note("commit", f"comes late and is refused: {error}")
        else:
            self._note("commit", "comes late and is done")
            self._network.written("commit", arguments, result)

    def _again(self, name: str, act: Callable[[], Any]) -> None:
        """The same twice, as a network may deliver it. It is refused, or known by its key."""
        before = self._hub.dump()
        try:
            second = act()
        except StoreError:
            second = None
        else:
            assert name != "commit", f"a commit of {self._name} was taken twice"
            assert second is not None, f"{name} of {self._name} was carried out twice under one key"
        assert self._hub.dump() == before, f"I1: {name} of {self._name} came twice and has changed something"

    def _shuffled(self, messages: Sequence[Message]) -> list[Message]:
        """Those to one instance stay in order; others overtake each other."""
        if len({each.instance for each in messages}) < 2 or not self._plan.happens("reorder"):
            return list(messages)
        places = self._plan.random.sample(range(len(messages)), len(messages))
        queues: dict[str, list[Message]] = {}
        for each in messages:
            queues.setdefault(each.instance, []).append(each)
        return [queues[messages[place].instance].pop(0) for place in places]

    def _note(self, name: str, what: str) -> None:
        self._world.note(f"{self._name}: {name} {what}")


def _is_guarded(name: str, arguments: tuple[Any, ...], result: Any) -> bool:
    """Whether a write that comes a second time must change nothing."""
    if name == "commit":
        (batch,) = arguments
        return bool(batch.entities) or any(each.history for each in batch.checkpoints)
    return name in SENDS and result is None and any(isinstance(each, Request) for each in arguments)
