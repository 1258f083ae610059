"""``python -m tests.black_box KIND --count N --seed S``: real processes, and counts of what happened.

``kills``: N SIGKILLs of servers, asked over HTTP. ``commands``: N SIGKILLs of commands and the server beside
them. ``starts``: N starts by 20 clients, through three SIGKILLs each 10,000. ``zombies``: N servers stopped
past their lease. ``linear``: N histories of entities through kills and stops. ``cuts``: N power failures.
Each run has a database of its own; what fails is kept, and its folder is printed.
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
from tests.black_box.commands import kill_commands
from tests.black_box.cuts import cut_power
from tests.black_box.kills import kill_servers
from tests.black_box.linear import kill_under_calls, stop_under_calls
from tests.black_box.starts import start_through_kills
from tests.black_box.zombies import stop_servers

Run = Callable[[Path, int], Counter[str]]


RUNS: dict[str, tuple[int, Run]] = {
    "kills": (10, lambda path, seed: kill_servers(path, seed, 10, servers=1 + seed % 2)),
    "commands": (10, lambda path, seed: kill_commands(path, seed, 10, served=seed % 3 != 0)),
    "zombies": (5, lambda path, seed: stop_servers(path, seed, 5)),
    "cuts": (100, cut_power),
    "starts": (10_000, lambda path, seed: start_through_kills(path, seed, 10_000)),
    "linear": (5, lambda path, seed: (kill_under_calls, stop_under_calls)[seed % 2](path, seed)),
}
"""By kind, what one run does of the count, and the run of a seed."""


def main(argv: list[str]) -> int:
    """Do what is asked for; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.black_box", description=__doc__)
    parser.add_argument("kind", choices=sorted(RUNS))
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    part, run = RUNS[options.kind]
    seeds = range(options.seed, options.seed + -(-options.count // part))
    counts, failed, began = Counter[str](), list[int](), clock.monotonic()
    for seed in seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"black-box-{options.kind}-{seed}-"))
        try:
            counts += run(folder, seed)
        except Exception:  # noqa: BLE001
            failed.append(seed)
            print(f"seed {seed} failed; its files are in {folder}\n{traceback.format_exc()}", flush=True)
        else:
            shutil.rmtree(folder)
    print(f"{options.kind} of {len(seeds)} seeds from {options.seed} in {clock.monotonic() - began:.0f} s")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {count}")
    print(f"failed: {failed}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
