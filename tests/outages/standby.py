"""The primary's machine is lost, and a standby is promoted, as ``docs/operations.md`` says it is done."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.engine.facts import eventually
from tests.outages.trade import Shop, trade
from tests.postgres import Server, loopback, running

STANDBY = {"cluster_name": "standby", "synchronous_standby_names": ""}
"""The name under which the primary knows it; and it waits for nobody when it is promoted."""


def lose_the_primary(
    path: Path, seed: int, orders: int, *, desks: int = 12, workers: int = 1, synchronous: bool = True
) -> Counter[str]:
    """Orders; the primary is gone in the middle, for good, and the standby takes its place.

    The negative control is not ``synchronous``, and its standby hears nothing more some moments before.
    """

    def trouble(shop: Shop) -> None:
        half = orders // 2
        if not shop.until(lambda: shop.placed >= half):
            return
        if not synchronous:
            primary.send_nothing_more()
            # What is acknowledged from now on is nowhere else.
            shop.until_answered(20)
        primary.vanish()
        shop.counts["placed before"] = shop.placed
        standby.promote()
        shop.counts["promoted"] += 1
        shop.until(lambda: shop.placed >= max(orders, shop.counts["placed before"] + half))

    with ExitStack() as stack:
        primary = stack.enter_context(running({"listen_addresses": loopback(1)}))
        standby = stack.enter_context(running({"listen_addresses": loopback(2), **STANDBY}, of=primary))
        eventually(lambda: _follows(primary, "async"))
        if synchronous:
            with primary.connect() as sql:
                sql.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
                sql.execute("SELECT pg_reload_conf()")
            eventually(lambda: _follows(primary, "sync"))
        primary.new_hub()
        both = primary.url(at=f"{loopback(1)},{loopback(2)}")
        return trade(path, both, seed, trouble, desks=desks, workers=workers, heir=standby.url())


def _follows(primary: Server, how: str) -> bool:
    with primary.connect() as sql:
        rows = sql.execute("SELECT application_name, sync_state FROM pg_stat_replication").fetchall()
    return rows == [("standby", how)]
