"""``python -m tests.prefixes --programs N --seed S``: many random Programs; 1 when one of them fails."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.prefixes.programs import run


def main() -> int:
    """Run what is asked for, and count."""
    parser = argparse.ArgumentParser(prog="tests.prefixes")
    parser.add_argument("--programs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    options = parser.parse_args()
    counts, failed, began = Counter[str](), list[int](), time.process_time()
    for seed in range(options.seed, options.seed + options.programs):
        try:
            counts += run(seed)
        except Exception:  # noqa: BLE001
            failed.append(seed)
            print(f"seed {seed}:\n{traceback.format_exc()}", flush=True)
    print(f"{options.programs} programs in {time.process_time() - began:.1f} s of CPU, failed: {failed}")
    for name, count in sorted(counts.items()):
        print(f"  {count:>9,} {name}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
