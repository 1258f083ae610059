"""``python -m tests.golden record NAME...`` keeps what scenarios leave; ``list`` tells what there is.

``record --missing`` records those that no file is there for. A file that is there is never overwritten
without ``--force``: a release has written it, and every later one must read it. ``digests`` replays all of
them and prints what they come to, for comparison with another interpreter. ``milestone RELEASE`` makes the
database of a release, once.
"""

from __future__ import annotations

import argparse
import sys

from tests.golden.histories import RELEASE, digest, names, path_of


def main() -> int:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(prog="tests.golden", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record")
    record.add_argument("names", nargs="*")
    record.add_argument("--missing", action="store_true")
    record.add_argument("--force", action="store_true")
    commands.add_parser("list")
    commands.add_parser("digests")
    commands.add_parser("milestone").add_argument("release")
    options = parser.parse_args()
    if options.command == "record":
        return _record(options.names, missing=options.missing, force=options.force)
    if options.command == "milestone":
        from tests.golden import milestones

        milestones.make(options.release)
        return 0
    for name in names():
        print(digest(name) if options.command == "digests" else name)
    return 0


def _record(wanted: list[str], *, missing: bool, force: bool) -> int:
    from tests.golden.recording import record, write
    from tests.golden.scenarios import SCENARIOS

    if missing:
        wanted += [name for name in SCENARIOS if not path_of(f"{RELEASE}/{name}").exists()]
    failed = 0
    for name in wanted:
        try:
            write(name, record(name), force=force)
        except FileExistsError as error:
            print(f"{name}: {error.filename} is there; it is history, and only --force replaces it")
            failed += 1
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
