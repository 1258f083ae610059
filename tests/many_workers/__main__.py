"""``python -m tests.many_workers [--workers 4] [--chains 2000] [--steps 10] [--lease 4]``: real processes.

They share the slots of a hub on a real PostgreSQL; one is killed in the middle, one is stopped past its lease
and goes on afterwards. With ``--scale`` it is the same work by one, two and four of them, and then by one to
whom others come. With ``--quiet`` it is what they cost without work, and one event after the other. With
``--soak`` they work for three minutes, on a server with its own ideas of cleaning up.
"""

from __future__ import annotations

import argparse

from tests.many_workers.crowd import kill_one_and_stop_one
from tests.many_workers.quiet import measure_quiet
from tests.many_workers.scale import add_under_load, counting, measure
from tests.many_workers.soak import soak
from tests.postgres import running


def main() -> None:
    """Print what came of it."""
    parser = argparse.ArgumentParser(prog="tests.many_workers", description=__doc__)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--chains", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--lease", type=float, default=4.0)
    parser.add_argument("--scale", action="store_true", help="measure instead")
    parser.add_argument("--quiet", action="store_true", help="measure those that have nothing to do")
    parser.add_argument("--soak", type=float, nargs="?", const=180.0, metavar="SECONDS", help="dead rows")
    options = parser.parse_args()
    if options.soak:
        with running({"autovacuum": "on"}) as server:
            print(soak(server, options.workers, options.soak))  # noqa: T201
        return
    with running() as server:
        if options.quiet:
            counting(server)
            for told in (True, False):
                quiet = measure_quiet(server, options.workers, told=told, seconds=20.0, events=200)
                print(quiet)  # noqa: T201
            return
        if options.scale:
            counting(server)
            for workers in (1, 2, 4):
                print(measure(server, workers, options.chains, options.steps))  # noqa: T201
            print("shares after", add_under_load(server, options.chains, options.steps))  # noqa: T201
            return
        account = kill_one_and_stop_one(
            server, workers=options.workers, chains=options.chains, steps=options.steps, lease=options.lease
        )
    print(account)  # noqa: T201
    account.check()


if __name__ == "__main__":
    main()
