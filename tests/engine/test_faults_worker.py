"""The worker when commits break: who asks is answered once and truly, and nothing happens twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from perdure.compiler.encode import digest, encode
from perdure.engine.activities import Context, Registry
from perdure.engine.client import Client
from perdure.engine.errors import Busy, Conflict, FenceLost, OutcomeUnknown, Refused, StoreError
from perdure.engine.programs import Programs
from perdure.engine.requests import keyed_request
from perdure.engine.store.rows import Batch, TaskRow
from perdure.engine.store.rows import Worker as Member
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.driver import compiled
from tests.engine.facts import WAIT, eventually

COLLECT = compiled(
    'do: [{ e: { wait_for_event: Go, count: 3, timeout: never } }, { return: "${ e }" }]'
).program
LATER = compiled(
    "do: [{ e: { wait_for_event: Never, timeout: never } }, { f: { wait_for_event: Go, timeout: never } }]"
).program
SLEEPER = compiled("do: [{ e: { wait_for_event: Go, timeout: never } }]").program
CALL = compiled('do: [{ a: { call: Work } }, { return: "${ a }" }]').program


class Trouble(SqliteStore):
    """A store whose next commit with what ``about`` looks for fails, before or after it is written."""

    def __init__(self, path: Path) -> None:
        self.about: Callable[[Batch], bool] | None = None
        self.error: StoreError = OutcomeUnknown("broken pipe")
        self.written = True
        super().__init__(path)

    def fail_next(self, about: Callable[[Batch], bool], error: StoreError, *, written: bool) -> None:
        """Break one commit."""
        self.error, self.written, self.about = error, written, about

    def commit(self, batch: Batch) -> int:
        if self.about is None or not self.about(batch):
            return super().commit(batch)
        self.about = None
        if self.written:
            super().commit(batch)
        raise self.error


def has_turns(batch: Batch) -> bool:
    """Whether there is a turn in it."""
    return bool(batch.checkpoints)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Trouble]:
    """A file."""
    store = Trouble(tmp_path / "hub.db")
    yield store
    store.close()


@contextmanager
def working(store: SqliteStore, **activities: Callable[..., Any]) -> Iterator[Client]:
    """A worker and its client."""
    registry = Registry()
    for name, function in activities.items():
        registry.add(name, function)
    with Worker(store, registry, lease=3_000_000) as worker:
        yield Client(store, worker)


class Forgetful(Trouble):
    """A store that is asked for the key of its tokens before anything runs, and does not know it later."""

    away = False

    def token_key(self) -> str:
        if self.away:
            raise Busy
        return super().token_key()


def test_a_token_is_given_while_the_database_is_away(tmp_path: Path) -> None:
    """The activity that asks for its token then does not fail with it."""
    store = Forgetful(tmp_path / "hub.db")

    def ask(ctx: Context) -> str:
        store.away = True
        return ctx.token()[:1]

    with closing(store), working(store, Work=ask) as client:
        client.run(CALL, id="i")
        assert client.wait("i", WAIT)["error"] is None


# -- asks ---------------------------------------------------------------------------------------------


def test_an_event_whose_commit_is_unknown_is_not_raised_again(store: Trouble) -> None:
    """Without a key its client is told so; the event, which was written, is there once."""
    with working(store) as client:
        client.run(COLLECT, id="i")
        store.fail_next(has_turns, OutcomeUnknown("broken pipe"), written=True)
        with pytest.raises(OutcomeUnknown):
            client.raise_event("i", "Go", 1)
        client.raise_event("i", "Go", 2)
        client.raise_event("i", "Go", 3)
        assert client.wait("i", WAIT)["output"] == [1, 2, 3]


@pytest.mark.parametrize("written", [True, False])
def test_an_event_with_a_key_survives_an_unknown_commit(store: Trouble, written: bool) -> None:
    """Its request row tells whether it was written, so it is raised once and answered."""
    with working(store) as client:
        client.run(COLLECT, id="i")
        store.fail_next(has_turns, OutcomeUnknown("broken pipe"), written=written)
        client.raise_event("i", "Go", 1, request_key="k")
        client.raise_event("i", "Go", 2)
        client.raise_event("i", "Go", 3)
        assert client.wait("i", WAIT)["output"] == [1, 2, 3]


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_start_survives_an_unknown_commit(store: Trouble, key: str | None, written: bool) -> None:
    """Under an id of the client's choice it is found, as its own and not as somebody else's."""
    with working(store) as client:
        client.run(SLEEPER, id="pins-the-program")
        linked = client._programs.get(client.instance("pins-the-program")["digest"])
        instance = client._new_instance(linked, "1.0.0", "mine", None)
        ask = client._start_ask(instance, linked, None, None, keyed_request("start", "", key, {}))
        store.fail_next(has_turns, OutcomeUnknown("broken pipe"), written=written)
        client._carry_out(ask)
        assert client.instance("mine")["status"] == "Running"
        assert len(client.instances()["items"]) == 2


@pytest.mark.parametrize("error", [Busy("busy"), FenceLost("dead")])
def test_an_event_whose_commit_was_not_done_is_raised_by_the_worker(
    store: Trouble, error: StoreError
) -> None:
    """Nobody needs to ask again for what certainly did not happen."""
    with working(store) as client:
        client.run(COLLECT, id="i")
        for number in (1, 2, 3):
            store.fail_next(has_turns, error, written=False)
            client.raise_event("i", "Go", number)
        assert client.wait("i", WAIT)["output"] == [1, 2, 3]


def test_an_event_that_is_set_aside_is_answered_after_a_rejoin(
    store: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full instance keeps it in the inbox, and who sent it hears even if that commit was lost."""
    monkeypatch.setattr("perdure.engine.residents.MAX_BUFFER", 1)
    monkeypatch.setattr("perdure.engine.residents.MAX_PENDING", 1)
    with working(store) as client:
        client.run(LATER, id="i")
        for number in range(4):
            client.raise_event("i", "Go", number)
        store.fail_next(lambda batch: bool(batch.messages), FenceLost("dead"), written=False)
        asked = threading.Thread(target=client.raise_event, args=("i", "Go", 4), daemon=True)
        asked.start()
        asked.join(WAIT)
        assert (store.about, asked.is_alive()) == (None, False)
        client.terminate("i")


def test_a_key_that_is_free_again_after_a_rejoin_can_be_used(store: Trouble) -> None:
    """The request was lost with its batch; the same key is not on its way for ever."""
    with working(store) as client:
        client.run(COLLECT, id="i")
        store.fail_next(has_turns, FenceLost("dead"), written=False)
        client.raise_event("i", "Go", 1, request_key="k")
        client.raise_event("i", "Go", 1, request_key="k")
        with pytest.raises(Conflict):
            client.raise_event("i", "Go", 2, request_key="k")


def test_a_message_that_is_always_refused_is_given_up(store: Trouble) -> None:
    """Its client is told in the end, and others are served."""
    refuse = store.commit

    def commit(batch: Batch) -> int:
        if any(each.id == "bad" for each in batch.checkpoints):
            raise Refused("no")
        return refuse(batch)

    with working(store) as client:
        client.run(SLEEPER, id="bad")
        client.run(SLEEPER, id="good")
        store.commit = commit  # type: ignore[method-assign]
        with pytest.raises(Refused):
            client.raise_event("bad", "Go")
        client.raise_event("good", "Go")
        assert client.wait("good", WAIT)["status"] == "Completed"


def test_what_was_safe_elsewhere_before_comes_first(store: Trouble, tmp_path: Path) -> None:
    """A message that another process accepted is older than one that is sent here after that."""
    beside = SqliteStore(tmp_path / "hub.db")
    program = compiled(
        'do: [{ e: { wait_for_event: Go, count: 40, timeout: never } }, { return: "${ e }" }]'
    ).program
    with working(store) as client:
        client.run(program, id="i")
        other = Client(beside)
        for number in range(0, 40, 2):
            other.raise_event("i", "Go", number)
            client.raise_event("i", "Go", number + 1)
        assert client.wait("i", WAIT)["output"] == list(range(40))
    beside.close()


# -- tasks --------------------------------------------------------------------------------------------


def test_a_claim_whose_answer_was_lost_is_handed_out_again(store: Trouble, tmp_path: Path) -> None:
    """The task was given to this worker, which does not know; it must not wait for this worker's death."""
    claims: list[int] = []
    claim = store.claim

    def lost(*arguments: Any, **more: Any) -> list[TaskRow]:
        rows = claim(*arguments, **more)
        if rows:
            claims.append(rows[0].deliveries)
            if len(claims) == 1:
                raise OutcomeUnknown("broken pipe")
        return rows

    store.claim = lost  # type: ignore[method-assign]
    with working(store, Work=lambda: "done") as client:
        client.run(CALL, id="mine", queue="elsewhere")
        with SqliteHub(tmp_path) as beside:
            assert beside.claimed_by_nobody("mine")
        assert client.worker is not None
        client.worker._duties._private = ("elsewhere",)
        client.worker._duties._tasks_news = True
        assert client.wait("mine", WAIT)["output"] == "done"
    assert claims == [1, 1]


class SqliteHub:
    """A look at the tables from beside."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path / "hub.db")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def claimed_by_nobody(self, instance: str) -> bool:
        """Whether there is a task that waits."""
        return bool(self.store.waiting_tasks(instance))


def test_an_activity_that_runs_when_its_worker_rejoins_is_not_run_again(store: Trouble) -> None:
    """Eager or claimed, what runs in this process goes on, and its result is taken."""
    begun, hold = threading.Event(), threading.Event()
    runs: list[int] = []

    def work() -> int:
        runs.append(1)
        begun.set()
        hold.wait(WAIT)
        return len(runs)

    with working(store, Work=work) as client:
        client.run(CALL, id="i")
        assert begun.wait(WAIT)
        store.fail_next(has_turns, FenceLost("dead"), written=False)
        client.run(SLEEPER, id="other")
        hold.set()
        assert client.wait("i", WAIT)["output"] == 1
    assert runs == [1]


def test_an_activity_goes_on_though_its_worker_lost_its_slots(store: Trouble, tmp_path: Path) -> None:
    """Another worker gives the task a row; its first runner claims it, and does not begin a second time."""
    begun, hold = threading.Event(), threading.Event()
    runs: list[int] = []

    def work() -> int:
        runs.append(1)
        begun.set()
        hold.wait(WAIT)
        return len(runs)

    with SqliteHub(tmp_path) as beside, working(store, Work=work) as client:
        assert client.worker is not None
        client.run(CALL, id="i")
        assert begun.wait(WAIT)
        here = client.worker
        # Whoever comes first takes free slots, so this one is made to give way to servers.
        here._duties._reserve = True
        with Worker(beside.store, Registry()) as second:
            beside.store.rejoin([here.id], Member(id="thief", host="t", ir=1), 1)
            beside.store.leave("thief")
            eventually(lambda: second.owns_slots and bool(store.claimed(here.id)))
            hold.set()
            assert client.wait("i", WAIT)["output"] == 1
    assert runs == [1]


# -- membership ---------------------------------------------------------------------------------------


def test_slots_that_were_taken_in_vain_are_taken_again(store: Trouble, tmp_path: Path) -> None:
    """What breaks after they were written down as its own must not leave them to nobody."""
    load_open = store.load_open
    failed: list[int] = []

    def broken(slots: Any, between: Any = None) -> Any:
        failed.append(1)
        if len(failed) < 3:
            raise Busy("busy")
        return load_open(slots, between)

    with SqliteHub(tmp_path) as beside:
        first = Worker(beside.store, Registry())
        first.start()
        with working(store) as client:
            store.load_open = broken  # type: ignore[method-assign]
            first.stop()
            assert client.worker is not None
            client.run(SLEEPER, id="i")
            client.raise_event("i", "Go")
            assert client.wait("i", WAIT)["status"] == "Completed"
    assert len(failed) >= 3


def test_a_rejoin_whose_answer_was_lost_leaves_no_ghost(store: Trouble) -> None:
    """The id that may have joined is taken over by the next try."""
    rejoin = store.rejoin
    lost: list[str] = []

    def unknown(old: Any, member: Member, lease: int) -> Any:
        slots = rejoin(old, member, lease)
        if not lost:
            lost.append(member.id)
            raise OutcomeUnknown("broken pipe")
        return slots

    store.rejoin = unknown  # type: ignore[method-assign, assignment]
    with working(store) as client:
        assert client.worker is not None
        store.fail_next(has_turns, FenceLost("dead"), written=False)
        client.run(SLEEPER, id="i")
        assert [each["id"] for each in client.workers()] == [client.worker.id]
    assert lost


# -- the end ------------------------------------------------------------------------------------------


def test_a_chain_of_async_activities_is_stopped_between_two(store: Trouble) -> None:
    """What the last result leads to is left to the next worker; this one ends well."""
    begun = threading.Event()

    async def work(n: int) -> int:
        begun.set()
        await asyncio.sleep(0)
        return n + 1

    steps = "".join(f"{{ s{n}: {{ call: Work, with: {n} }} }}, " for n in range(200))
    program = compiled(f"do: [{steps} {{ return: '${{ s199 }}' }}]").program
    registry = Registry()
    registry.add("Work", work)
    worker = Worker(store, registry)
    worker.start()
    client = Client(store, worker)
    client.run(program, id="i")
    assert begun.wait(WAIT)
    worker.stop()
    assert worker.error is None
    assert client.workers() == []
    failures = [event for event in client.history("i")["items"] if event["type"] == "TaskFailed"]
    assert failures == []
    with Worker(store, registry) as second:
        assert Client(store, second).wait("i", WAIT)["output"] == 200


def test_sync_activities_are_recorded_though_async_ones_ended_before(store: Trouble) -> None:
    """All have their time to end."""
    begun = threading.Barrier(3, timeout=WAIT)
    hold = threading.Event()

    def slow() -> str:
        begun.wait()
        hold.wait(WAIT)
        return "slow"

    async def quick() -> str:
        await asyncio.to_thread(begun.wait)
        return "quick"

    program = compiled(
        "do:\n  - p: { parallel: { a: [{ s: { call: Slow } }], b: [{ q: { call: Quick } }] } }\n"
        "  - return: ${ p }\n"
    ).program
    registry = Registry()
    registry.add("Slow", slow)
    registry.add("Quick", quick)
    worker = Worker(store, registry)
    worker.start()
    client = Client(store, worker)
    client.run(program, id="i")
    begun.wait()
    stopping = threading.Thread(target=worker.stop, args=(WAIT,))
    stopping.start()
    eventually(lambda: worker._executor._loop is not None and worker._executor._loop.is_closed())
    hold.set()
    stopping.join(WAIT)
    assert client.instance("i")["output"] == {"a": "slow", "b": "quick"}


@pytest.mark.slow
def test_an_instance_that_never_waits_does_not_keep_a_worker(store: Trouble) -> None:
    """A worker that is told to stop stops, whatever its workflows do."""
    endless = compiled("do: [{ continue_as_new: { input: 1 } }]").program
    worker = Worker(store, Registry())
    worker.start()
    Client(store, worker).run(endless, id="i")
    stopping = threading.Thread(target=worker.stop, daemon=True)
    stopping.start()
    stopping.join(WAIT)
    assert not stopping.is_alive()
    assert worker.error is None


def test_a_busy_database_does_not_keep_results_from_a_worker_that_stops(store: Trouble) -> None:
    """It tries again before it leaves."""
    begun, go, busy = threading.Event(), threading.Event(), list[bool]()
    commit = store.commit

    def work() -> str:
        begun.set()
        go.wait(WAIT)
        return "done"

    def unlucky(batch: Batch) -> int:
        if has_turns(batch) and busy.count(True) < 2:
            busy.append(worker._stopping)
            raise Busy("busy")
        return commit(batch)

    registry = Registry()
    registry.add("Work", work)
    worker = Worker(store, registry)
    worker.start()
    client = Client(store, worker)
    client.run(CALL, id="i")
    assert begun.wait(WAIT)
    store.commit = unlucky  # type: ignore[method-assign]
    go.set()
    worker.stop(WAIT)
    assert (worker.error, client.instance("i")["output"], client.workers()) == (None, "done", [])


def test_a_task_that_a_shutdown_cuts_short_was_not_delivered(store: Trouble) -> None:
    """Nor was the one that the shutdown cut short: it does not bring them nearer to being poison."""
    hold = threading.Event()
    begun = threading.Semaphore(0)

    def work() -> None:
        begun.release()
        hold.wait(WAIT)

    program = compiled("do: [{ f: { fan_out: '${ lists.range(8) }', do: [{ a: { call: Work } }] } }]").program
    registry = Registry()
    registry.add("Work", work)
    worker = Worker(store, registry, private=["q"])
    executor = worker._executor
    executor._allowed = executor._least = 1
    executor.tend = lambda now: None  # type: ignore[method-assign]
    worker._duties.owner._offers = lambda name, queue: False
    worker.start()
    Client(store, worker).run(program, id="i", queue="q")
    assert begun.acquire(timeout=WAIT)
    eventually(lambda: len(store.claimed(worker.id)) == 8)
    worker.stop(0)
    assert sorted(row.deliveries for row in store.waiting_tasks("i")) == [0] * 8
    hold.set()


def test_who_asks_a_stopped_worker_is_told(store: Trouble) -> None:
    """Nobody waits for an answer that cannot come."""
    with working(store) as client:
        client.run(SLEEPER, id="i")
    ask = client._start_ask(
        client._new_instance(client._programs.get(client.instance("i")["digest"]), "1", "j", None),
        client._programs.get(client.instance("i")["digest"]),
        None,
        None,
        None,
    )
    assert client.worker is not None
    client.worker.submit(ask)
    with pytest.raises(StoreError):
        ask.result()


def test_no_result_is_lost_because_a_program_cannot_be_read_again(store: Trouble) -> None:
    """A suspended instance has its Program read anew; what runs meanwhile ends with the known one."""
    known_digest = digest(CALL)
    store.pin(known_digest, encode(CALL))
    readers: list[Callable[[str], str | None]] = [store.program]

    def read(each: str) -> str | None:
        return readers[-1](each)

    programs = Programs(read)
    known = programs.get(known_digest)
    readers.append(away)
    with pytest.raises(Busy):
        programs.all([known_digest], anew=[known_digest])
    assert programs.get(known_digest) is known


def away(_digest: str, /) -> str | None:
    """A read while the database is away."""
    raise Busy("the database is away")
