"""Connections to PostgreSQL break exactly while a COMMIT is under way: it is done, or not, or done later."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.outages.trade import Shop, trade
from tests.postgres import running
from tests.postgres_proxy import How, Proxy


def cut_commits(
    path: Path,
    seed: int,
    orders: int,
    *,
    cuts: int,
    share: float = 0.05,
    workers: int = 1,
    desks: int = 12,
    mutant: str | None = None,
) -> Counter[str]:
    """Orders while a ``share`` of all COMMITs is cut, until so many were placed and so many were cut.

    A third never arrives, a third is answered to nobody, and a third arrives when its sender is connected
    anew.
    """
    random = Random(f"commits {seed}")
    ways: Iterator[How] = itertools.cycle(("lose", "deaf", "late"))
    cutting = True

    def draw() -> How:
        return next(ways) if cutting and random.random() < share else "pass"

    def trouble(shop: Shop) -> None:
        nonlocal cutting
        shop.until(lambda: shop.placed >= orders and proxy.cuts.total() >= cuts)
        cutting = False

    with running() as server:
        url = server.new_hub()
        with Proxy(server, draw) as proxy:
            counts = trade(
                path, proxy.url(), seed, trouble, workers=workers, desks=desks, mutant=mutant, heir=url
            )
            return counts + Counter({f"COMMIT {how}": count for how, count in proxy.cuts.items()})
