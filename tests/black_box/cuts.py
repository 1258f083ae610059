"""The power fails at any byte of the log behind what was promised: that is there, and nothing is doubled."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from perdure.cli.sources import registry
from perdure.engine.client import Client
from perdure.engine.codec import decode_events
from perdure.engine.events import TaskScheduled
from perdure.engine.store.rows import InstanceQuery
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.black_box.account import MANY, check
from tests.black_box.clients import Desk, Patient, Wish
from tests.black_box.customers import Crowd
from tests.black_box.moments import Watch, until
from tests.black_box.orders import ACTIVITIES, SHOP
from tests.black_box.power import HEADER, TAILS, Image, Mark, mark
from tests.black_box.processes import Folder, Server

DESKS = 3
IMAGES = 5
CUTS = 20
"""Cuts of one image."""
TO_THE_END = 15
"""One cut of so many is run to the end of all orders; the others are opened and looked at."""


@dataclass(frozen=True)
class Promise:
    """What a client was told, and where the log was by then; what activities had done by then was begun."""

    mark: Mark
    kind: str
    key: str
    booked: int

    def holds_at(self, image: Image, offset: int) -> bool:
        """Whether it has to be there when the log of an image is cut."""
        return self.mark.salts != image.last.salts or self.mark.offset <= offset


class Lost(AssertionError):
    """Something that was acknowledged is not there."""


def cut_power(path: Path, seed: int, *, early: bool = False) -> Counter[str]:
    """Cut images of a server that works, at bytes of a seed. Raises ``Lost``.

    ``early`` is wrong on purpose: it cuts before what somebody was promised.
    """
    random, counts = Random(f"cuts {seed}"), Counter[str]()
    folder = Folder(path / "hub")
    folder.path.mkdir()
    promises: list[Promise] = []
    images: list[tuple[Image, list[Promise], list[Wish]]] = []

    def witness(kind: str, key: str) -> None:
        booked = folder.ledger.stat().st_size if folder.ledger.exists() else 0
        promises.append(Promise(mark(folder), kind, key, booked))

    with ExitStack() as stack:
        server = Server(folder)
        stack.callback(server.kill)
        patient = Patient([server.url], counts)
        stack.callback(patient.close)
        patient.ask("deploy", lambda client: client.deploy_source(SHOP.read_text("utf-8"), SHOP.name))
        deployed = Promise(mark(folder), "deploy", "", 0)
        desks = [
            Desk(f"d{n}", Random(f"{seed} {n}"), Patient([server.url], counts), witness) for n in range(DESKS)
        ]
        crowd = Crowd(desks)
        watch = Watch(folder, crowd)
        with crowd.working():
            for number in range(IMAGES):
                watch.wait(watch.draw(random))
                counts[f"stopped {server.stop()}"] += 1
                told, wishes = [deployed, *promises], [each for desk in desks for each in desk.wishes]
                image = Image.taken(folder, path / f"image-{number}")
                shutil.copyfile(folder.ledger, image.path / "ledger")
                server.signal(signal.SIGCONT)
                images.append((image, told, wishes))
        server.kill()
    for number, (image, told, wishes) in enumerate(images):
        for one in range(CUTS):
            target = Folder(path / f"{number}-{one}")
            _cut(image, target, told, random, counts, early=early)
            if one % TO_THE_END == 0:
                _to_the_end(target, wishes)
                counts["to the end"] += 1
            shutil.rmtree(target.path)
    return counts


def _cut(
    image: Image,
    target: Folder,
    told: Sequence[Promise],
    random: Random,
    counts: Counter[str],
    *,
    early: bool,
) -> None:
    """Cut at a byte, often right behind a promise, and look for everything that was promised by then."""
    least = max(HEADER, Mark(image.last.salts, image.least, image.last.page).offset)
    size = (image.path / "hub.db-wal").stat().st_size
    if told[0].mark.salts == image.last.salts:
        least = max(least, told[0].mark.offset)
    near = [each.mark.offset for each in told if each.mark.salts == image.last.salts]
    kind = random.choice(["behind a promise", "anywhere", "after all"])
    offset = random.randint(least, max(least, size))
    if kind == "behind a promise" and near:
        offset = max(least, random.choice(near))
    elif kind == "after all":
        offset = random.randint(min(image.last.offset, size), size)
    tail = random.choice(TAILS)
    held = [each for each in told if each.holds_at(image, offset)]
    if early:
        offset, tail = HEADER, "nothing"
    image.cut(target.path, offset, tail, random)
    counts["cuts"] += 1
    counts[f"cut {kind}"] += 1
    counts[f"then {tail}"] += 1
    counts["promises looked for"] += len(held)
    _look(image, target, held)


def _look(image: Image, target: Folder, held: Sequence[Promise]) -> None:
    with sqlite3.connect(target.database) as connection:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
        if not connection.execute("SELECT * FROM sqlite_master WHERE name = 'requests'").fetchone():
            raise Lost("nothing is there")
        assert said == "ok", said
        keys = {key for (key,) in connection.execute("SELECT key FROM requests")}
    connection.close()
    store = SqliteStore(target.database)
    try:
        found = {each.id: each for each in store.instances(InstanceQuery(limit=MANY, chunks=True))}
        begun = set(_begun(store, found))
    finally:
        store.close()
    for each in held:
        here = each.kind == "deploy" or (each.key in keys and (each.kind != "start" or each.key in found))
        if each.kind == "end":
            here = each.key in found and found[each.key].status.ended
        if not here:
            raise Lost(f"{each.kind} of {each.key} was acknowledged at {each.mark}")
    promised = max((each.booked for each in held), default=0)
    lines = (image.path / "ledger").read_bytes()
    for line in lines[:promised].splitlines():
        if _key(line) not in begun:
            raise Lost(f"it was done, and never begun: {line!r}")
    # The image may be younger than the cut: what was begun after that has not been done yet.
    target.ledger.write_bytes(b"".join(each for each in lines.splitlines(True) if _key(each) in begun))


def _key(line: bytes) -> str:
    return line.partition(b"\t")[0].decode()


def _begun(store: SqliteStore, ids: Iterable[str]) -> Iterable[str]:
    for each in ids:
        for row in store.history(each, 1, 0, MANY):
            yield from (event.key for event in decode_events(row.events) if isinstance(event, TaskScheduled))


def _to_the_end(target: Folder, wishes: Sequence[Wish]) -> None:
    """Everybody asks again, under the same keys, for what was asked before the power failed."""
    os.environ["PERDURE_TEST_LEDGER"] = str(target.ledger)
    offered = registry([str(ACTIVITIES)], ACTIVITIES.parent)
    assert offered is not None
    store = SqliteStore(target.database)
    with Worker(store, offered) as worker:
        client = Client(store, worker)
        for order, amount, called in wishes:
            client.start(order.workflow, order.input, id=order.id, tags={}, request_key=order.id)
            for key, payload in order.sent.items():
                client.raise_event(order.id, "Go", payload, request_key=key)
            move = client.call_entity if called else client.signal_entity
            move("Account@out", "add", amount, request_key=order.id)
        for order, _, _ in wishes:
            client.wait(order.id)
        until(lambda: not store.inbox(range(256), 1))
    store.close()
    check(target, [each.order for each in wishes], {"out": sum(each.amount for each in wishes)})
