"""A seed's run, from its world to its report.

``simulate(seed)`` raises ``Failure`` with everything that is needed to look at it again.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from random import Random

from perdure.engine import clock, ids
from perdure.engine.store.protocol import Store
from tests.sim.failure import Failure
from tests.sim.hubs import HUBS, MemoryHub
from tests.sim.plan import Cut
from tests.sim.run import Report, Run
from tests.sim.told.hub import ToldHub
from tests.sim.told.run import ToldRun
from tests.sim.world import World

WHOLE = Cut()


def simulate(
    seed: int,
    *,
    store: str = "memory",
    cut: Cut = WHOLE,
    trace: bool = False,
    after: Callable[[Store], None] | None = None,
) -> Report:
    """Run a seed on a store. Raises ``Failure``; with ``trace`` prints the decisions.

    ``cut`` leaves out some of it. ``after`` is shown the store at the end.
    """
    # A run leaves circles behind, and all that is compiled stays: the collector would look at that for ever.
    gc.collect(1)
    gc.disable()
    world = World(seed)
    run: Run
    if store == ToldHub.kind:
        # Who is killed says so, and nobody wants to read it.
        logging.disable()
        run = ToldRun(world, seed, ToldHub(world, Random(f"the notices of {seed}")), MemoryHub(world), cut)
    else:
        run = Run(world, seed, HUBS[store](world), HUBS[store](world), cut)
    hub = run.hub
    try:
        with ids.drawn_from(world.random), clock.driven_by(world):
            report = run.whole()
            if after is not None:
                after(run.store)
            return report
    except Exception as error:  # noqa: BLE001
        orders = frozenset(int(each.id.removeprefix("i")) for each in run.orders.values())
        raise Failure(seed, cut, run.plan, orders, world, hub, error) from None
    finally:
        world.end()
        hub.close()
        run.idle.close()
        gc.enable()
        logging.disable(logging.NOTSET)
        if trace:
            print("\n".join(world.decisions))  # noqa: T201
