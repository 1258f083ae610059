"""``python -m tests.fuzz --documents 200000 --expressions 200000 --seed 1``: look for inputs that go wrong.

The input of one number is the same in every run with a seed: ``--only`` examines it again.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz import guided
from tests.fuzz.campaign import KINDS, Campaign, run
from tests.fuzz.worker import inputs


def main(argv: list[str]) -> int:
    """Run the campaigns and print what was found; 1 when there was anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="COUNT")
    parser.add_argument("--target", choices=KINDS, help="with --inputs COUNT: the same as --TARGET COUNT")
    parser.add_argument("--inputs", type=int, default=10_000, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--only", type=int, metavar="NUMBER", help="show and examine one input, in this process"
    )
    parser.add_argument("--atheris", choices=guided.TARGETS, metavar="TARGET", help="guided by coverage")
    parser.add_argument("--runs", type=int, default=10_000, help="of --atheris")
    options = parser.parse_args(argv)
    if options.atheris is not None:
        guided.main(options.atheris, options.runs, options.seed)
    if options.target is not None:
        setattr(options, options.target, options.inputs)
    if options.only is not None:
        return _again([kind for kind in KINDS if getattr(options, kind)], options.seed, options.only)
    shares = [
        Campaign(kind, options.seed, first, min(size, count - first))
        for kind in KINDS
        if (count := getattr(options, kind))
        for size in (max(1, -(-count // (4 * options.processes))),)
        for first in range(0, count, size)
    ]
    with ThreadPoolExecutor(options.processes) as pool:
        reports = list(pool.map(run, shares))
    for kind in KINDS:
        mine = [report for share, report in zip(shares, reports, strict=True) if share.kind == kind]
        if mine:
            taken, number = max(report.slowest for report in mine)
            print(
                f"{kind}: {getattr(options, kind)} of seed {options.seed}, "
                f"{sum(len(report.findings) for report in mine)} findings, slowest {taken * 1000:.0f} ms "
                f"(number {number}), at most {max(report.peak_mib for report in mine)} MiB"
            )
    findings = [finding for report in reports for finding in report.findings]
    print("\n".join(findings))
    return bool(findings)


def _again(kinds: list[str], seed: int, number: int) -> int:
    for kind in kinds:
        made = inputs(kind)
        given = made.make(seed, number)
        print(made.show(given))
        print(made.examine(given))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
