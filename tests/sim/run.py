"""One run: a world made from a seed, faults for a while, then peace, and then the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

import msgspec

from perdure.compiler import compile_workflow
from perdure.dsl import load
from perdure.dsl.source import Source
from perdure.engine.client import Client
from perdure.engine.codec import whole_events
from perdure.engine.instance import Status
from perdure.engine.linked import LinkedProgram, link
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Batch, EntityQuery
from tests.engine.books import audit
from tests.sim.asking import Asking
from tests.sim.checks import Checks, check_claimable
from tests.sim.clients import Clients, Order
from tests.sim.documents import make
from tests.sim.documents.activities import QUEUE
from tests.sim.documents.entities import KEYS, TALLY
from tests.sim.documents.model import Document
from tests.sim.faults import Network
from tests.sim.histories import Histories
from tests.sim.hubs import Hub
from tests.sim.ledger import ACTIVITIES, Ledger
from tests.sim.outsiders import Outsiders
from tests.sim.plan import Cut, Plan
from tests.sim.process import Living, Process
from tests.sim.scenes import scenes
from tests.sim.scenes.stage import Stage, deployed
from tests.sim.world import DAY, SECOND, World

DOCUMENTS = 150
"""How many documents of each kind the seeds of a range share: compiling one takes half as long as a run."""
RANGE = 1000
"""Seeds with the same documents; the next ones have others."""
SAFETY = 4_000
"""Steps of the world with faults."""
LIVENESS = 100_000
"""Steps without, in which everything must end."""
WORK = ("timers", "tasks", "inbox")
"""Tables that have no rows when there is nothing to do."""


@lru_cache(maxsize=4 * DOCUMENTS)
def document(number: int, long_time: bool) -> tuple[Document, LinkedProgram, tuple[LinkedProgram, ...]]:
    """A document, its Program, and those of its children."""
    made = make(number, long_time=long_time)
    first, *others = (_linked(text) for text in (made.text, *made.children))
    return made, first, tuple(others)


def _linked(text: str) -> LinkedProgram:
    loaded = load(Source("flow.perdure.yaml", text))
    assert loaded.ok, loaded.diagnostics
    return link(compile_workflow(loaded.workflows[0]))


@dataclass(frozen=True)
class Report:
    """What a run has seen."""

    seed: int
    faults: dict[str, int]
    writes: dict[str, int]
    calls: int
    virtual_seconds: float
    instances: int
    statuses: dict[str, int]
    joined: int
    replayed: int
    """Histories of which every prefix was replayed."""
    compared: int
    """States in memory that were compared with what their histories add up to."""
    notices: dict[str, int] = field(default_factory=dict)
    """What became of what processes told each other."""
    waited: float = 0.0
    """The longest time, in seconds, that anything waited for a worker that was told and rested."""


class Run:
    """One run on a ``hub``, beside an ``idle`` one of which nothing must change."""

    hurried = False
    """Whether time is never long."""
    safety = SAFETY
    liveness = LIVENESS

    def __init__(self, world: World, seed: int, hub: Hub, idle: Hub, cut: Cut) -> None:
        random = world.random
        self.world = world
        self.seed = seed
        self.long_time = random.random() < 0.5 and not self.hurried
        self.plan = Plan.drawn(Random(f"the faults of {seed}"), cut)
        self.cut = cut
        self.hub = hub
        self.idle = idle
        self.checks = Checks(hub)
        self.lease = random.choice([40 * DAY, 20 * DAY] if self.long_time else [2 * SECOND, 10 * SECOND])
        self.memory = random.choice([0, 2_000, 64 << 20])
        self.page = random.choice([2, 5, 1000])
        self.poll = self.lease // random.choice([6, 16])
        self.shares = hub.kind == "memory" and Random(f"the owners of {seed}").random() < 0.5
        """Whether there are several owners at a time."""
        self.processes: list[Any] = []
        self.joined = 0
        self.peace = False
        self.histories = Histories(seed, self.processes)
        self.news = True
        """Whether anything was written since somebody looked whether all is over."""
        self.network = Network(world, self.plan, hub, lease=self.lease, written=self._written)
        self.orders: dict[str, Order] = {}
        self.asking = Asking(self.network, self.processes)
        self.clients = Clients(self.asking, hub, poll=self.poll)
        self.outsiders = Outsiders(self.asking, lambda instance: self.orders[instance].stopped)
        self.ledger = Ledger(self._work_on, self.outsiders.take)
        self.stage = Stage(
            world=world,
            hub=hub,
            asking=self.asking,
            ledger=self.ledger,
            poll=self.poll,
            long_time=self.long_time,
            at_peace=lambda: self.peace,
            shutdowns=lambda: self.plan.counts["shutdown"],
            written_at=lambda: self.network.written_at,
        )
        self.scenes = scenes(self.stage, random)

    @property
    def store(self) -> Store:
        """The database, to look at."""
        return self.hub.look()

    # -- the run ----------------------------------------------------------------------------------

    def whole(self) -> Report:
        """Faults, peace, account."""
        random = self.world.random
        Client(self.hub.outside()).deploy([deployed(TALLY)])
        # Where much goes on beside them, there are fewer.
        most = max(6 - len(self.scenes), 2)
        orders = [self._order(number) for number in range(random.randint(1, most))]
        idle = self._idle_image(orders[0])
        if self.cut.orders is not None:
            orders = [order for number, order in enumerate(orders) if number in self.cut.orders]
        self.orders = {order.id: order for order in orders}
        processes = random.choice([1, 2, 2, 3])
        for _ in range(processes if self.cut.processes is None else min(processes, self.cut.processes)):
            self._spawn()
        for order in orders:
            self.clients.serve(order)
        for scene in self.scenes:
            scene.begin()
        began = self.world.now
        self.world.run(lambda: self._all_ended(orders), self.safety)
        self.peace, self.plan.active, self.news = True, False, True
        self.world.note("peace")
        self._spawn()
        ended = self.world.run(lambda: self._all_ended(orders), self.liveness)
        assert ended, f"stuck: {[(o.id, self.clients.status(o.id)) for o in orders]}"
        settled = self.world.run(self._nothing_left, self.liveness)
        left = [row for table in WORK for row in self.hub.rows(table)]
        assert settled, f"C9: rows of work are left: {left}"
        self.hub.compare()
        check_claimable(self.hub)
        assert self.idle.image() == idle, "C11: another hub has changed"
        assert not self.ledger.problems, self.ledger.problems
        self.histories.check(self.store)
        for order in orders:
            self._account(order)
        self._entities(orders)
        for scene in self.scenes:
            scene.account()
        statuses = Counter(str(self.clients.status(order.id)) for order in orders)
        return Report(
            seed=self.seed,
            faults=dict(self.plan.counts),
            writes=dict(self.checks.writes),
            calls=self.plan.calls,
            virtual_seconds=(self.world.now - began) / SECOND,
            instances=len(orders),
            statuses=dict(statuses),
            joined=self.joined,
            replayed=self.histories.replayed,
            compared=self.histories.compared,
        )

    def _order(self, number: int) -> Order:
        random = self.world.random
        which = self.seed // RANGE * DOCUMENTS + random.randrange(DOCUMENTS)
        made, program, children = document(which, self.long_time)
        return Order(
            id=f"i{number}",
            document=made,
            program=program,
            children=children,
            input={"n": random.randint(0, 5), "round": 1},
            terminate=random.random() < 0.1,
            cancel=random.random() < 0.15,
            pause=random.randint(0, made.events) if random.random() < 0.25 else None,
            rewind=random.random() < 0.6 and not made.one_way,
            curious=random.random() < 0.2,
        )

    def _idle_image(self, order: Order) -> object:
        """What is in the other hub: an instance of the same name, that nobody lets begin."""
        others = [each.program for each in order.children]
        Client(self.idle.outside()).run(order.program.program, order.input, id=order.id, others=others)
        return self.idle.image()

    # -- processes --------------------------------------------------------------------------------

    def _spawn(self) -> None:
        random = self.world.random
        self.joined += 1
        # The owner of an instance may not offer what it calls: then another process does it.
        offers = ACTIVITIES if self.peace or random.random() < 0.5 else _some(random, ACTIVITIES)
        queues = [QUEUE] if self.peace or random.random() < 0.5 else []
        self.processes.append(self._process(f"p{self.joined}", offers, queues))

    def _process(self, name: str, offers: Sequence[str], queues: Sequence[str]) -> Any:
        """A new process, in which a worker begins."""
        return Process(
            self.network,
            name,
            self.ledger,
            memory=self.memory,
            poll=self.poll,
            page=self.page,
            offers=offers,
            queues=queues,
            shares=self.shares,
            on_crash=self._crashed,
        )

    def _work_on(self) -> None:
        """An activity takes its time."""
        self.world.sleep(self.world.random.choice([1, 1000, SECOND // 20, SECOND]))

    def _crashed(self, process: Living) -> None:
        # A process's locks are free when it ends; those of a machine that is away tell nobody.
        if self.world.random.random() < 0.7:
            for member in process.member_ids:
                self.hub.kill(member)
        delay = self.world.random.randrange(1, 2 * self.lease)
        self.world.later("a new process", delay, self._spawn)

    def _written(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        self.checks.written(name, arguments, result)
        if name == "commit":
            self.histories.committed(arguments[0])
        for scene in self.scenes:
            scene.written(name, arguments, result)
        if name == "commit" and _is_renewal(arguments[0]):
            # Nobody waits for it: others see it when they look by themselves.
            return
        self.news = True
        self._wake_all()

    def _wake_all(self) -> None:
        """Something was written: all processes look."""
        for process in self.processes:
            process.faulty.writes += 1
            if not process.over:
                self.world.wake(process)

    # -- the account ------------------------------------------------------------------------------

    def _all_ended(self, orders: list[Order]) -> bool:
        if self.asking.unfinished or not self.news:
            return False
        self.news = False
        rows = [(order, self.store.instance(order.id)) for order in orders]
        return all(
            row is not None and row.status.ended and row.execution != order.rewound_from
            for order, row in rows
        )

    def _account(self, order: Order) -> None:
        row = self.store.instance(order.id)
        assert row is not None, order.id
        status, value, state = order.document.run(order.input["n"])
        if row.status is Status.TERMINATED:
            assert order.maybe_terminated, f"{order.id} was terminated by nobody"
            assert order.rewound_from is None, f"{order.id} was rewound, and is terminated"
            return
        payloads = self.store.payloads(order.id)
        if row.status is Status.CANCELED:
            assert order.maybe_canceled, f"{order.id} was canceled by nobody"
            self._nothing_undone_is_left(order, row.generation)
            return
        key = "output" if status == "Completed" else "error"
        assert row.status == status, f"{order.id} is {row.status}, not {status}: {payloads}"
        found = msgspec.json.decode(payloads[key])
        assert found == value, f"{order.id} gives {found}, not {value}"
        for label, count in state.calls.items():
            keys = self.ledger.keys.get((order.id, label), set())
            if label in state.optional:
                assert len(keys) <= count, f"{order.id} did {label} under {len(keys)} keys, not {count}"
            else:
                assert len(keys) == count, f"{order.id} did {label} under {len(keys)} keys, not {count}"
            attempts = order.document.attempts.get(label, 1)
            once = order.rewound_from is None and label not in state.optional
            if attempts and once and self._undisturbed():
                times = sum(self.ledger.executions[key] for key in keys)
                wanted = count * attempts
                assert times == wanted, f"{order.id} did {label} {times} times, not {wanted}"
        done = {label for instance, label in self.ledger.keys if instance == order.id}
        assert done <= set(state.calls), f"{order.id} did what it should not: {done - set(state.calls)}"

    def _entities(self, orders: list[Order]) -> None:
        """Each was given what all instances say, unless one was stopped; and nobody holds it any more."""
        rows = self.store.entities(EntityQuery(limit=100))
        held = [row["id"] for row in self.hub.rows("entities") if row["lock"] or row["task"]]
        assert not held, f"C7: nobody is left, and {held} are held"
        stopped = {self.clients.status(order.id) for order in orders} & {Status.TERMINATED, Status.CANCELED}
        # What a rewound instance has asked an entity and not heard the answer of, it asks again.
        if stopped or any(order.rewound_from for order in orders):
            return
        wanted = Counter[str]()
        for order in orders:
            wanted.update(order.document.run(order.input["n"])[2].totals)
        states = {
            f"{row.type}@{row.key}": msgspec.json.decode(row.state or "") for row in rows if row.key in KEYS
        }
        found = {id_: state["value"] if isinstance(state, dict) else state for id_, state in states.items()}
        assert found == {id_: total for id_, total in wanted.items() if total}, f"C6: {found}, not {wanted}"

    def _nothing_undone_is_left(self, order: Order, generation: int) -> None:
        """What was done in a saga that has not ended well is undone, once and in order."""
        rows = self.store.history(order.id, generation, 0, 1_000_000)
        events = [event for row in rows for event in whole_events(row.events, row.values)]
        left = {saga: undos for saga, undos in audit(order.program, events).lists.items() if undos}
        assert not left, f"{order.id} was canceled and has not undone {left}"

    def _undisturbed(self) -> bool:
        """Whether no process ended or was declared dead, so that nothing had to be done again."""
        return not (self.checks.takeovers or self.plan.counts["shutdown"] or self.plan.deaths)

    def _nothing_left(self) -> bool:
        """Whether nothing goes on, and no row of work is left of what has ended."""
        if any(self.hub.rows(table) for table in WORK):
            return False
        return all(Status(row["status"]).ended for row in self.hub.rows("instances"))


def _is_renewal(batch: Batch) -> bool:
    """Whether a commit renews a lease and nothing else."""
    return batch == Batch(worker=batch.worker, lease=batch.lease)


def _some(random: Random, names: Sequence[str]) -> list[str]:
    """Not all of them, and at least one."""
    return random.sample(names, random.randint(1, len(names) - 1))
