"""A host loses the network: packets are dropped, and nothing is refused."""

from __future__ import annotations

import pytest

from perdure.engine.store.postgres import PostgresStore
from tests.engine.store.factory import worker
from tests.many_workers.crowd import patiently
from tests.outages.halfway import WORKER, standing
from tests.outages.namespaces import cut_one_off
from tests.outages.network import hosts
from tests.postgres import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # real processes in networks of their own


def test_a_worker_whose_packets_are_dropped_is_replaced_and_comes_back_as_another() -> None:
    """It notices by itself, and has written nothing since the others took over (I3, I9)."""
    cut = cut_one_off(chains=40, steps=10, lease=2.0)
    print(cut)  # noqa: T201
    cut.account.check()
    assert cut.noticed


def test_a_worker_that_is_cut_off_in_the_middle_of_a_message_holds_up_nobody() -> None:
    """The server waited for the rest for two hours, with the row of the worker locked.

    No time limit of a statement or a transaction counts there, but those of the network do.
    """
    lease = 1_000_000
    with (
        hosts(2) as (home, place),
        running({"listen_addresses": home.address}, within=home.within) as server,
        standing(server.url(at=home.address), lease, place.within),
    ):
        store = PostgresStore(server.url())
        store.join(worker("w2"), 3600 * 1_000_000)
        (seen,) = (each.lease_until for each in store.workers() if each.id == WORKER)
        place.cut_off()
        patiently(lambda: store.take_over("w2", WORKER, seen))
        assert [each.id for each in store.workers()] == ["w2"]
        store.close()
