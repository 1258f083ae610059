"""``python -m tests.outages NAME --seed N --orders N``: outages of a real PostgreSQL under real processes.

``restarts``: it crashes every 10 seconds. ``commits``: connections break in every 20th COMMIT.
``namespaces``: a worker's host loses its network (orders are chains of ten steps). ``standby``: the primary
is lost for good.
Prints counts of what happened; what fails is kept, and its folder is printed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from perdure.engine import clock
from tests.outages.commits import cut_commits
from tests.outages.namespaces import cut_off
from tests.outages.restarts import restart_under_load
from tests.outages.standby import lose_the_primary

RUNS: dict[str, Callable[[Path, int, int], Counter[str]]] = {
    "restarts": lambda path, seed, orders: restart_under_load(path, seed, orders, every=10.0),
    "namespaces": lambda _path, _seed, chains: cut_off(chains),
    "standby": lose_the_primary,
    "commits": lambda path, seed, orders: cut_commits(path, seed, orders, cuts=orders // 10),
}


def main(argv: list[str]) -> int:
    """Do what is asked for; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.outages", description=__doc__)
    parser.add_argument("name", choices=sorted(RUNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--orders", type=int, default=3000)
    options = parser.parse_args(argv)
    folder, began = Path(tempfile.mkdtemp(prefix=f"outages-{options.name}-")), clock.monotonic()
    try:
        counts = RUNS[options.name](folder, options.seed, options.orders)
    except Exception:  # noqa: BLE001
        print(f"seed {options.seed} failed; its files are in {folder}\n{traceback.format_exc()}", flush=True)
        return 1
    shutil.rmtree(folder)
    print(f"{options.name}, seed {options.seed}, in {clock.monotonic() - began:.0f} s")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
