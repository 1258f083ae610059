"""Combine what a measured run has left, report what no test has reached, and fail below the floors.

Run where ``COVERAGE_FILE`` names the data: by ``nox -s coverage`` after the quick suite, and with ``--heart``
by ``.ci/run``, where only the tests of the engine were measured: they alone hold the heart.
"""

from __future__ import annotations

import subprocess
import sys

OVERALL = 95
"""Percent of all lines and branches together."""
HEART = 99
"""The same of the heart: 100 is the aim (docs/adr/0039). This number only ever goes up."""
MODULES = """
checkpoints endings forking forks machine ops outgoing replay rerun rewinding sagas scopes state waits
entity_turn open_work running sealing turn turning
admission entity_owner hot loading losses migrating orders owner parking residents resolving starting
""".split()
"""The heart, beside every store: the machine, turns and the owner of slots."""
ELSEWHERE = "engine/store/postgres*.py,engine/store/telling.py"
"""Measured where there is a server: nobody is told anything beside a file."""


def main() -> int:
    """0 when the floors hold."""
    _coverage("combine", "--quiet")
    below = 0
    if "--heart" not in sys.argv[1:]:
        print(f"all of it, at least {OVERALL}%:", flush=True)
        below = _coverage("report", f"--fail-under={OVERALL}", "--sort=miss")
    print(f"the machine, turns, the owner and the stores, at least {HEART}%:", flush=True)
    files = ",".join([f"engine/{name}.py" for name in MODULES] + ["engine/store/*"])
    mine = ("--contexts=^$,^engine$", f"--include={files}", f"--omit={ELSEWHERE}")
    return _coverage("report", f"--fail-under={HEART}", *mine) or below


def _coverage(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "coverage", *arguments], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
