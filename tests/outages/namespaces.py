"""A worker's host loses the network: every packet between it and the database is dropped, none is refused."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from perdure.engine.clock import monotonic
from tests.many_workers.crowd import Account, chain, crowd, patiently, take_account
from tests.outages.network import hosts
from tests.postgres import running

DEAF = "&tcp_user_timeout=0&keepalives=0"
"""The negative control: settings of the connection with which nobody notices that the other end is silent."""
NOTICED = ("the database did not do it", "this worker's id is over")
"""What a worker says when it has found out, of which the one or the other comes first."""


class Cut(NamedTuple):
    """What came of it."""

    account: Account
    noticed: bool
    """Whether the one that was cut off had found out before the network healed."""


def cut_one_off(*, chains: int, steps: int, lease: float, settings: str = "", patience: float = 90.0) -> Cut:
    """Chains on three workers, of which one is cut off until the others have done everything.

    It has so many seconds more to notice by itself. Then the network heals.
    """
    flow = chain(steps)
    with (
        hosts(4) as (home, *places),
        running({"listen_addresses": home.address}, within=home.within) as server,
        crowd(server, lease) as hub,
    ):
        # Whoever looks on is beside the database, and is not cut off.
        url = server.url(at=home.address) + settings
        processes = [hub.join_from(url, place.within) for place in places]
        shared = hub.until_shared(len(places))
        ids = hub.client.run_many(flow, [0] * chains)
        patiently(lambda: hub.steps() >= chains * steps // 5)
        lost, place = processes[0], places[0]
        patiently(lambda: hub.writers(lost.name))
        old = hub.writers(lost.name)
        place.cut_off()
        began = monotonic()
        patiently(lambda: lost.id not in hub.shares() and hub.state(lost.id) == "dead")
        taken, dead_at = monotonic() - began, hub.now()
        patiently(lambda: hub.done() == chains)
        ended = monotonic() - began
        noticed = _soon(lambda: any(each in lost.said for each in NOTICED), patience)
        knew = monotonic() - began
        place.heal()
        healed = monotonic()
        hub.until_shared(len(places))
        assert lost.id not in {each["id"] for each in hub.client.workers()}, "it came back as another"
        account = take_account(hub, ids, steps)
        account.from_the_stopped = hub.written_since(old, dead_at)
        account.seconds = {
            "shared": shared, "taken over": taken, "all ended": ended, "noticed": knew,
            "back": monotonic() - healed,
        }  # fmt: skip
        assert [process.end() for process in processes] == [0] * len(places)
        return Cut(account, noticed)


def cut_off(chains: int) -> Counter[str]:
    """The whole size, with the lease that people have; counts of what happened, and tenths of seconds."""
    cut = cut_one_off(chains=chains, steps=10, lease=10.0)
    cut.account.check()
    assert cut.noticed
    counts = Counter({"chains": chains, "steps recorded once": cut.account.recorded[1]})
    for name, seconds in cut.account.seconds.items():
        counts[f"tenths of a second until {name}"] = round(10 * seconds)
    return counts


def _soon(fact: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes true in so many seconds."""
    pause, end = threading.Event(), monotonic() + seconds
    while not fact() and monotonic() < end:
        pause.wait(0.05)
    return fact()
