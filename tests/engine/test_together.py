"""What is asked together is carried out together: counted in statements and commits, on a real file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.duties import Duties
from perdure.engine.errors import Conflict, Ended, NotFound, OutcomeUnknown, Unfit, UserError
from perdure.engine.events import ExecutionCanceled
from perdure.engine.executor import Executor, Limits
from perdure.engine.instance import SLOTS
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask, message_to
from perdure.engine.starts import Start
from perdure.engine.store.rows import Batch
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.telling import Raise
from perdure.server.deployments import deploy_source

FLOWS = """\
dsl: perdure/1
name: echo
version: 1.0.0
do:
- return: ${ input }
---
dsl: perdure/1
name: waiter
version: 1.0.0
do:
- got: { wait_for_event: Go, timeout: never }
- return: ${ got }
---
dsl: perdure/1
name: fails
version: 1.0.0
do:
- raise: { error: Broken, message: it is }
---
dsl: perdure/1
name: priced
version: 1.0.0
input: { schema: { type: number, multipleOf: 0.5 } }
events: { Paid: { schema: { type: number, multipleOf: 0.5 } } }
do:
- got: { wait_for_event: Paid, timeout: never }
- return: ${ got }
"""
LOOK = "SELECT instances."
NOBODY_HOLDS_IT = "\ud800"


class Traced(SqliteStore):
    """A file whose statements are kept. With ``unknown`` the next commit is written, and its answer lost."""

    unknown = False

    def __init__(self, path: Path) -> None:
        self.statements: list[str] = []
        super().__init__(path)

    def _open(self) -> sqlite3.Connection:
        connection = super()._open()
        connection.set_trace_callback(self.statements.append)
        return connection

    def commit(self, batch: Batch) -> int:
        now = super().commit(batch)
        if self.unknown:
            self.unknown = False
            raise OutcomeUnknown("the answer got lost")
        return now

    def counted(self, act: Callable[[], Any], *beginnings: str) -> tuple[Any, int]:
        """What it returns, and how many statements began so meanwhile."""
        self.statements.clear()
        result = act()
        return result, sum(each.startswith(beginnings) for each in self.statements)


class Obliging:
    """A worker without a thread: whoever submits something takes its steps."""

    def __init__(self, store: SqliteStore) -> None:
        self.programs = Programs(store.program)
        registry = Registry()
        executor = Executor(
            registry,
            self.programs.get,
            lambda _task, _answer: None,
            token_key=store.token_key,
            limits=Limits(1, 1, 1),
        )
        self.duties = Duties(
            store, self.programs, executor, reserve=False, queues=(), lease=10_000_000, memory=64 << 20
        )
        self.duties.join()
        self.rest()
        assert len(self.duties.slots) == SLOTS

    def owns(self, instance_id: str) -> bool:
        """Whether turns of an instance are taken here."""
        return self.duties.owns(instance_id)

    def submit(self, *asks: Ask) -> None:
        """Carry out what a client asks."""
        self.duties.asking.extend(asks)
        self.rest()

    def rest(self) -> None:
        """Take steps until there is nothing to do."""
        busy = True
        while busy:
            try:
                busy = self.duties.round()
            except OutcomeUnknown:
                self.duties.rejoin()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Traced]:
    """A new file."""
    store = Traced(tmp_path / "hub.db")
    yield store
    store.close()


@pytest.fixture
def client(store: Traced) -> Client:
    """With a worker in this process."""
    deploy_source(Client(store), FLOWS, "flows.yaml")
    return Client(store, Obliging(store))  # type: ignore[arg-type]


def test_events_share_a_look_and_a_commit(client: Client, store: Traced) -> None:
    """However many they are, and each has its own answer in its own place."""
    ids = [client.start("waiter")["id"] for _ in range(20)]
    client.terminate(ids[19])
    raises = [Raise(each, "Go", number) for number, each in enumerate(ids)]
    raises[5:5] = [Raise("nobody", "Go"), Raise(ids[0], "Went")]
    answers, commits = store.counted(lambda: client.raise_each(raises), "BEGIN IMMEDIATE")
    assert commits == 1
    wrong = {number: type(each) for number, each in enumerate(answers) if each is not None}
    assert wrong == {5: NotFound, 6: UserError, 21: Ended}
    assert [client.instance(each)["output"] for each in ids[:19]] == list(range(19))


def test_events_for_one_instance_keep_their_order(client: Client) -> None:
    """The first of those that were sent together is the first that it hears."""
    instance_id = client.start("waiter")["id"]
    answers = client.raise_each([Raise(instance_id, "Go", number) for number in range(10)])
    assert [type(each) for each in answers] == [type(None), *[Ended] * 9]
    assert client.instance(instance_id)["output"] == 0


def test_a_key_among_events_is_used_once(client: Client, store: Traced) -> None:
    """Twice in one list it is one event; another event under it is refused."""
    instance_id = client.start("waiter")["id"]
    client.suspend(instance_id)
    raises = [
        Raise(instance_id, "Go", 1, "k"),
        Raise(instance_id, "Go", 1, "k"),
        Raise(instance_id, "Go", 2, "k"),
    ]
    first, second, other = client.raise_each(raises)
    assert (first, second, type(other)) == (None, None, Conflict)
    told = [each for each in client.history(instance_id)["items"] if each["type"] == "EventRaised"]
    assert len(told) == 1
    assert isinstance(client.raise_each(raises)[2], Conflict)


def test_what_no_database_holds_is_the_fault_of_one(client: Client) -> None:
    """Others that ask together with it have their answers."""
    instance_id = client.start("waiter")["id"]
    bad, good = client.documents([NOBODY_HOLDS_IT, instance_id])
    assert isinstance(bad, Unfit)
    assert isinstance(good, dict)
    answers = client.raise_each([Raise(NOBODY_HOLDS_IT, "Go"), Raise(instance_id, "Go", 7)])
    assert isinstance(answers[0], Unfit)
    assert answers[1] is None
    assert client.instance(instance_id)["output"] == 7


def test_an_id_that_no_database_holds_is_asked_for_once(client: Client) -> None:
    """It was looked up for ever, and nobody who asked with it or after it had an answer."""
    instance_id = client.start("waiter")["id"]
    cancel = ExecutionCanceled(reason=None)
    bad, good = (Ask(message_to(each, cancel, each), cancel, None) for each in (NOBODY_HOLDS_IT, instance_id))
    assert client.worker is not None
    client.worker.submit(bad, good)
    with pytest.raises(Unfit):
        bad.result()
    assert good.result() is None
    assert client.instance(instance_id)["status"] == "Canceled"
    with pytest.raises(Unfit):
        client.cancel(NOBODY_HOLDS_IT)


@pytest.mark.parametrize("key", ["", "a\0", NOBODY_HOLDS_IT, "x" * 300])
def test_a_request_key_that_no_database_holds_is_refused(client: Client, key: str) -> None:
    """Before anybody looks for it, which was done for ever; and whatever is asked under it."""
    instance_id = client.start("waiter")["id"]
    acts: list[Callable[[], object]] = [
        lambda: client.start("echo", 1, request_key=key),
        lambda: client.raise_event(instance_id, "Go", 7, request_key=key),
        lambda: client.cancel(instance_id, request_key=key),
    ]
    for act in acts:
        with pytest.raises(UserError, match="an idempotency key has") as error:
            act()
        assert error.value.code == "invalid_key"
    assert [each["id"] for each in client.instances()["items"]] == [instance_id]


def test_a_number_that_no_double_holds_is_the_fault_of_one(client: Client) -> None:
    """``multipleOf`` divides: that failed, and with it whatever had been asked together with it."""
    large = 10**400
    first, bad, last = client.start_each(
        [(Start("echo", 1), None), (Start("priced", large), None), (Start("priced", 2.5), None)]
    )
    assert isinstance(bad, UserError)
    assert bad.code == "schema"
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    waiter = client.start("waiter")["id"]
    answers = client.raise_each([Raise(last["id"], "Paid", -large), Raise(waiter, "Go", large)])
    assert [type(each) for each in answers] == [UserError, type(None)]
    assert client.instance(waiter)["output"] == large


def test_what_nobody_expected_is_the_fault_of_one(client: Client) -> None:
    """Something of another type than it should be failed all who asked with it."""
    number: Any = 5
    first, bad, last = client.start_many(
        [Start("echo", 1), Start("echo", 2, tags={"n": number}), Start("waiter")]
    )
    assert isinstance(bad, TypeError)
    assert isinstance(first, str)
    assert isinstance(last, str)
    waits = client.start("priced", 7)["id"]
    answers = client.raise_each([Raise(waits, "Paid", 1, request_key=number), Raise(last, "Go", 3)])
    assert [type(each) for each in answers] == [TypeError, type(None)]
    assert [client.instance(each)["output"] for each in (first, last)] == [1, 3]


@pytest.mark.parametrize("count", [1, 30])
def test_an_id_that_was_made_for_a_start_is_not_looked_for(client: Client, store: Traced, count: int) -> None:
    """Nobody can have it. One that was chosen is looked for, and refused when somebody has it."""
    found, looks = store.counted(lambda: client.start_many([Start("echo", 1)] * count), LOOK)
    assert looks == 0
    chosen = [Start("echo", 2, id=each) for each in found]
    answers, looks = store.counted(lambda: client.start_many(chosen), LOOK)
    assert looks == count
    assert {type(each) for each in answers} == {Conflict}


def test_a_start_in_doubt_is_looked_for(client: Client, store: Traced) -> None:
    """Its batch may have been written: then it is there under the id that was made for it, once."""
    store.unknown = True
    found, looks = store.counted(lambda: client.start_many([Start("echo", 1)] * 3), LOOK)
    assert not store.unknown
    assert looks >= 3
    assert {client.instance(each)["output"] for each in found} == {1}
    assert len(client.instances()["items"]) == 3


def test_the_answer_to_a_start_is_what_its_commit_wrote(client: Client, store: Traced) -> None:
    """Nobody reads it back, and who reads it then finds the same: ended or not, tagged, large, failed."""
    large = "x" * 40_000
    starts = [
        Start("echo", {"n": 1}),
        Start("echo", large),
        Start("echo", "sha256:" + "0" * 64),
        Start("waiter", [1], tags={"b": "1", "a": "2"}),
        Start("fails", 1),
        Start("nobody"),
    ]
    shown, looks = store.counted(lambda: client.start_each([(each, None) for each in starts]), LOOK)
    assert looks == 0
    assert isinstance(shown.pop(), NotFound)
    assert [each["status"] for each in shown] == ["Completed"] * 3 + ["Running", "Failed"]
    assert shown[1]["output"] == large
    assert [repr(each) for each in shown] == [repr(client.instance(each["id"])) for each in shown]


def test_a_repeated_start_is_read(client: Client, store: Traced) -> None:
    """Its answer is how the instance stands now; so is that of a start whose commit was in doubt."""
    (first,) = client.start_each([(Start("waiter"), "k")])
    assert isinstance(first, dict)
    client.raise_event(first["id"], "Go", 1)
    (again,) = client.start_each([(Start("waiter"), "k")])
    assert again == client.instance(first["id"])
    assert again["status"] == "Completed"
    store.unknown = True
    (doubtful,) = client.start_each([(Start("echo", 5), None)])
    assert not store.unknown
    assert isinstance(doubtful, dict)
    assert doubtful == client.instance(doubtful["id"])
