"""Servers that are stopped for longer than their lease, and go on: by then others have taken their place."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from perdure.client import Client
from perdure.engine.store.clock import StoreClock
from perdure.engine.views import parse_time
from tests.black_box.account import check, settle
from tests.black_box.clients import Desk, Patient
from tests.black_box.customers import Crowd
from tests.black_box.moments import Moment, Watch, until
from tests.black_box.orders import SHOP
from tests.black_box.processes import BETWEEN, ENTERING, WRITING, Folder, Server

LEASE = 2.0
ANSWER_SECONDS = 2.0
"""Clients do not wait long for somebody who is stopped; the others have the same request then."""
DESKS = 4
CATCHES = 400
"""How often a server is stopped until it is caught where it is wanted."""


def stop_servers(path: Path, seed: int, stops: int, mutant: str | None = None) -> Counter[str]:
    """Stop so often, at moments of a seed, one of two servers; then everything must have come about once."""
    random, folder, counts = Random(f"stops {seed}"), Folder(path), Counter[str]()
    with ExitStack() as stack:
        servers = two_servers(folder, stack, mutant)
        urls = [each.url for each in servers]
        patient = Patient(urls, counts, answer_seconds=ANSWER_SECONDS)
        stack.callback(patient.close)
        patient.ask("deploy", lambda client: client.deploy_source(SHOP.read_text("utf-8"), SHOP.name))
        desks = [
            Desk(
                f"d{n}",
                Random(f"{seed} {n}"),
                Patient(urls[n % 2 :] + urls[: n % 2], counts, answer_seconds=ANSWER_SECONDS),
            )
            for n in range(DESKS)
        ]
        crowd = Crowd(desks)
        watch = Watch(folder, crowd)
        with crowd.working():
            while counts["stops"] < stops and not crowd.failed:
                watch.wait(watch.draw(random))
                stop_past_lease(servers, random, watch, counts)
        settle(patient, counts)
        for each in servers:
            assert each.end() == 0, "a server that is told to ends well"
    return counts + check(folder, crowd.orders, crowd.moved)


def two_servers(folder: Folder, stack: ExitStack, mutant: str | None = None) -> list[Server]:
    """Two on one file, with a short lease."""
    servers = []
    for _ in range(2):
        servers.append(Server(folder, LEASE, mutant))
        stack.callback(servers[-1].kill)
    return servers


def stop_past_lease(servers: Sequence[Server], random: Random, watch: Watch, counts: Counter[str]) -> None:
    """Stop one of them until it is over for the other; or, in the middle of a write, past its lease."""
    one, other = random.sample(servers, 2)
    if not _owns(one) and random.random() < 0.7:
        one, other = other, one  # Most often it is the one that takes the turns.
    (wanted,) = random.choices([BETWEEN, ENTERING, WRITING], [6, 2, 2])
    place = _stop(one, wanted)
    counts["stops"] += 1
    counts[f"stopped {place}"] += 1
    old = one.worker
    with Client(other.url) as client:
        member = _workers(client).get(old)
        if member is None:
            # On a busy machine it has lost its place by now, or was about to join again.
            counts["stopped when joining"] += 1
            one.signal(signal.SIGCONT)
        elif place == WRITING:
            # Nobody can write before it goes on: SQLite's lock is its own. Whoever reads is answered.
            lease = parse_time(member["lease_until"])
            time = StoreClock()
            until(lambda: time.now() > lease)
            assert old in _workers(client), "nobody can have written that it is dead"
            one.signal(signal.SIGCONT)
        else:
            owned = member["slots"] > 0
            until(lambda: old not in _workers(client) and _served(client))
            counts["taken over with its slots" if owned else "taken over"] += 1
            watch.wait(Moment("answered", random.randint(1, 6)))
            one.signal(signal.SIGCONT)
            until(lambda: one.worker in _workers(client))
            assert old not in _workers(client), "a dead id lives again"
        until(lambda: len(_workers(client)) == len(servers))


def _owns(server: Server) -> bool:
    with Client(server.url) as client:
        return bool(_workers(client).get(server.worker, {"slots": 0})["slots"])


def _stop(server: Server, wanted: str) -> str:
    """Stop it until it is caught where it is wanted; returns where it is stopped."""
    place = server.stop()
    for _ in range(CATCHES):
        if place == wanted:
            break
        server.signal(signal.SIGCONT)
        place = server.stop()
    return place


def _workers(client: Client) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in client.workers()}


def _served(client: Client) -> bool:
    return any(each["slots"] for each in _workers(client).values())
