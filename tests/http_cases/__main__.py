"""``python -m tests.http_cases --seed N --cases M``: cases over the whole OpenAPI document."""

from __future__ import annotations

import argparse
import time

from tests.http_cases.cases import PHASES, run
from tests.http_cases.hub import given_hub


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.http_cases", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--cases", type=int, default=5_000, help="about so many, beside those of other phases"
    )
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--path", help="of one path alone")
    given = parser.parse_args()
    begun = time.process_time()
    with given_hub() as hub:
        tally = run(hub, given.seed, given.cases, given.phases.split(","), path=given.path)
    for title, text in sorted(tally.failures.items()):
        print(f"--- {title}\n{text}\n")
    print(*tally.errors, *tally.lines(), sep="\n")
    print(f"{time.process_time() - begun:.1f} CPU seconds")
    return bool(tally.failures or tally.errors)


raise SystemExit(_main())
