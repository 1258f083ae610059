"""A bank: money is moved under locks of two accounts, while workers die; none is made and none is lost."""

from __future__ import annotations

import random
import sqlite3
from functools import partial
from pathlib import Path

import msgspec
import pytest

from perdure.engine.client import Client
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import EntityQuery
from perdure.engine.store.sqlite import SqliteStore
from perdure.server.deployments import deploy_source
from tests.engine.bank import ACCOUNT, MOVER, START, moves
from tests.engine.driver import Hub
from tests.engine.facts import eventually
from tests.engine.worker_process import Process
from tests.shares import turn


def total(store: Store, accounts: int) -> int:
    """All the money: an account without a row has what it began with."""
    rows = store.entities(EntityQuery(type="Account", limit=1000))
    states = {row.key: msgspec.json.decode(row.state or "")["balance"] for row in rows}
    assert all(balance >= 0 for balance in states.values())
    return sum(states.get(f"a{number}", START) for number in range(accounts))


@pytest.mark.parametrize("seed", range(3))
def test_no_money_is_made_or_lost_while_workers_die(hub: Hub, seed: int) -> None:
    """Few accounts and many that want them: all end, and no lock is left."""
    accounts, movers = 5, 6
    hub.entity(ACCOUNT)
    program = hub.deploy(MOVER)
    chance = random.Random(seed)
    for number in range(movers):
        hub.start(program, moves(seed * 100 + number, accounts, 4), id=f"mover-{number}")
    for _ in range(8):
        for _ in range(chance.randrange(12)):
            hub.round()
        assert total(hub.store, accounts) <= accounts * START
        hub.crash()
    hub.run()
    assert [hub.output(f"mover-{number}") for number in range(movers)] == [4] * movers
    assert total(hub.store, accounts) == accounts * START
    locked = [row.id for row in hub.store.entities(EntityQuery(limit=1000)) if row.lock is not None]
    assert locked == []


@pytest.mark.slow
@turn("bank")
def test_two_thousand_transfers_survive_three_kills(tmp_path: Path) -> None:
    """50 accounts, 20 concurrent workflows with 100 transfers each, and a process that is killed thrice."""
    accounts, movers = 50, 20
    path = tmp_path / "hub.db"
    store = SqliteStore(path)
    client = Client(store)
    deploy_source(client, ACCOUNT, "account.yaml")
    deploy_source(client, MOVER, "mover.yaml")
    ids = [client.start("mover", moves(number, accounts, 100))["id"] for number in range(movers)]

    def written() -> int:
        """How often accounts were written so far."""
        return sum(row.version for row in store.entities(EntityQuery(limit=1000)))

    def reached(wanted: int) -> bool:
        """Whether accounts were written so often."""
        return written() >= wanted

    def moved_on(before: int) -> bool:
        """Whether anything has happened since."""
        return ended() or written() != before

    def ended() -> bool:
        """Whether all are through."""
        return all(client.instance(each)["ended_at"] for each in ids)

    process = Process(path)
    try:
        for kill in (1, 2, 3):
            eventually(partial(reached, 2000 * kill))
            process.kill()
            assert total(store, accounts) <= accounts * START
            process = Process(path)
        while not ended():
            eventually(partial(moved_on, written()))
        assert {client.instance(each)["output"] for each in ids} == {100}
    finally:
        process.kill()
    assert total(store, accounts) == accounts * START
    store.close()
    connection = sqlite3.connect(path)
    for query in (
        "SELECT count(*) FROM entities WHERE lock IS NOT NULL OR task IS NOT NULL",
        "SELECT count(*) FROM inbox",
        "SELECT count(*) FROM dead_letters",
    ):
        assert connection.execute(query).fetchone() == (0,), query
    connection.close()
