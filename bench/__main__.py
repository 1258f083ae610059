"""``python -m bench NAME [OPTIONS]``: run one measurement and print its figures."""

from __future__ import annotations

import json
import sys
from importlib import import_module

NAMES = ("chain", "latency", "fan_out", "settlement", "http", "store", "waiting", "expressions", "compile")


def main(argv: list[str]) -> int:
    """Run ``bench.NAME.main`` with the other arguments; ``--json`` prints one JSON document alone."""
    name = argv[0].replace("-", "_") if argv else ""
    if name not in NAMES:
        print(f"usage: python -m bench {{{','.join(NAMES)}}} [--json] [options]", file=sys.stderr)
        return 2
    options = [option for option in argv[1:] if option != "--json"]
    figures = import_module(f"bench.{name}").main(options)
    if "--json" in argv:
        print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
