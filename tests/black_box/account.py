"""What must be true of a hub when everything has ended, whatever was done to its processes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial

from perdure.client import Client as HttpClient
from perdure.engine import clock
from perdure.engine.client import Client
from perdure.engine.errors import NotFound
from perdure.engine.instance import Instance
from perdure.engine.programs import Programs
from perdure.engine.replay import replay
from perdure.engine.store import open_store
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import InstanceQuery
from tests.black_box.clients import Patient
from tests.black_box.ledger import bookings, keys
from tests.black_box.orders import Line, Order
from tests.black_box.processes import Folder
from tests.sim.checks import check_events

SETTLE_SECONDS = 60.0
MANY = 1_000_000


def settle(patient: Patient, counts: Counter[str]) -> None:
    """Wait until every instance has ended.

    One that was hit in the same turn again and again may be taken for poison: then a person resumes it.
    """
    until = clock.monotonic() + SETTLE_SECONDS
    pause = threading.Event()
    while True:
        active = patient.ask(
            "list", lambda client: client.instances(statuses=("Pending", "Running", "Suspended"), limit=1000)
        )["items"]
        for each in active:
            if each["status"] == "Suspended":
                assert (each["reason"] or "").startswith("poison"), f"it is suspended: {each}"
                patient.ask("resume", partial(_resume, each["id"]))
                counts["taken for poison, and resumed"] += 1
        if not active:
            return
        assert clock.monotonic() < until, f"stuck: {active}"
        pause.wait(0.05)


def _resume(instance_id: str, client: HttpClient) -> None:
    client.resume(instance_id, "by hand")


def check(folder: Folder, orders: Iterable[Order], moved: Mapping[str, int]) -> Counter[str]:
    """Nobody works on the hub any more: every order was carried out, each step of it once (I1, I2, I5, I6).

    ``moved`` is what accounts were given beside the orders. Returns how much was looked at.
    """
    orders = list(orders)
    intact(folder)
    store = open_store(folder.url)
    try:
        found = instances_of(store)
        _check_orders(Client(store), orders, found)
        _check_ledger(folder, orders)
        _check_accounts(Client(store), orders, moved)
        programs = Programs(store.program)
        events = sum(check_history(store, programs, each) for each in found.values())
    finally:
        store.close()
    runs = bookings(folder.ledger)
    again = len(runs) - len({each.key for each in runs})
    return Counter(
        orders=len(orders), instances=len(found), events=events, bookings=len(runs), repeated=again
    )


def intact(folder: Folder) -> None:
    """SQLite finds nothing wrong, and no work is left of what has ended (I9)."""
    if folder.postgres is None:
        said = folder.rows("PRAGMA integrity_check")
        assert said == [("ok",)], said
    for table in ("tasks", "timers", "inbox", "dead_letters"):
        rows = folder.rows(f"SELECT * FROM {table}")
        assert not rows, f"{table} has {rows}"


def instances_of(store: Store) -> dict[str, Instance]:
    """All that there are, by their ids."""
    return {each.id: each for each in store.instances(InstanceQuery(limit=MANY, chunks=True))}


def _check_orders(client: Client, orders: Iterable[Order], found: Mapping[str, Instance]) -> None:
    for order in orders:
        assert order.id in found, f"{order.id} was acknowledged, and is not there"
        row = client.instance(order.id)
        assert (row["status"], row["output"]) == ("Completed", order.output), f"{order} is {row}"
    known = {order.id for order in orders}
    more = {each for each in found if each.partition(":")[0] not in known}
    assert not more, f"nobody has ordered {more}"


def _check_ledger(folder: Folder, orders: Iterable[Order]) -> None:
    done = keys(bookings(folder.ledger))
    wanted: dict[str, Counter[Line]] = {order.id: order.booked for order in orders}
    wrong = {
        each: (done.get(each), wanted.get(each))
        for each in {*done, *wanted}
        if done.get(each) != wanted.get(each)
    }
    assert not wrong, f"the ledger has, and should have: {wrong}"


def _check_accounts(client: Client, orders: Iterable[Order], moved: Mapping[str, int]) -> None:
    wanted = Counter(dict(moved))
    for order in orders:
        wanted.update(order.moved)
    for key, total in wanted.items():
        try:
            state = client.entity(f"Account@{key}")["state"]
        except NotFound:
            state = 0
        assert state == total, f"account {key} has {state}, and was given {total}"


def check_history(store: Store, programs: Programs, instance: Instance) -> int:
    """It replays to the same decisions, and everything asked is answered once (I3, I4). Counts its events."""
    rows = store.history(instance.id, instance.generation, -1, MANY)
    replay(programs.get(instance.digest), instance.id, rows)
    check_events(store, instance.id, instance.generation)
    return rows[-1].next_seq if rows else 0
