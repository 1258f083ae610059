"""PostgreSQL crashes and comes back, again and again, while clients and workers go on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.outages.trade import Shop, trade
from tests.postgres import Server, running

FORGETFUL = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
"""The negative control: a database that says "committed" long before that survives its crash."""


def restart_under_load(
    path: Path,
    seed: int,
    orders: int,
    *,
    every: float = 0.0,
    servers: int = 2,
    desks: int = 12,
    settings: dict[str, str] | None = None,
) -> Counter[str]:
    """``pg_ctl -m immediate restart`` until so many orders were placed, and twice at least.

    That is every so many seconds, or else at moments of the seed.
    """
    with running(settings) as server:
        return trade(
            path,
            server.new_hub(),
            seed,
            lambda shop: _restart(server, shop, orders, every),
            servers=servers,
            desks=desks,
        )


def _restart(server: Server, shop: Shop, orders: int, every: float) -> None:
    while (shop.placed < orders or shop.counts["restarts"] < 2) and shop.until_answered(
        shop.random.randint(20, 60), every
    ):
        server.stop("QUIT")
        server.start()
        shop.counts["restarts"] += 1
