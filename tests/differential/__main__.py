"""``python -m tests.differential --operations 1000000 --seed 1``: call every store as the reference."""

from __future__ import annotations

import argparse
import sys
import time

from tests.differential.campaign import Difference, run
from tests.differential.stores import STORES


def main(argv: list[str]) -> int:
    """Run it, and print how many calls of each kind ended how; 1 when two stores differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-least", type=int, default=100, help="each method has succeeded so often")
    parser.add_argument("--store", action="append", choices=sorted(STORES), help="all of them by default")
    options = parser.parse_args(argv)
    try:
        report = run(
            options.operations, options.seed, options.store or tuple(STORES), at_least=options.at_least
        )
    except Difference as difference:
        print(difference)
        return 1
    print(report)
    print(f"no difference in seed {options.seed}; {time.process_time():.1f} s of CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
