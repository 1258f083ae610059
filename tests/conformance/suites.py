"""The conformance suites of a folder: files of rows, and which rows deviate."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.conformance.runner import failure

OWN = Path(__file__).with_name("rows")
SHARED = Path(__file__).parents[2] / ".." / "shared" / "conformance" / "cel"

# Extension libraries that the profile leaves out, by suite.
LEFT_OUT = frozenset({"block_ext", "network_ext"})


class Suite(NamedTuple):
    """One file of rows."""

    name: str
    kind: str
    rows: tuple[dict[str, Any], ...]

    def identity(self, row: dict[str, Any]) -> str:
        """What deviations and failures call the row."""
        return f"{self.name}/{row['section']}/{row['name']}"


class Outcome(NamedTuple):
    """How many rows of a suite ``passed``, ``deviated`` as wanted, ``failed`` or were ``left out``."""

    counts: Counter[str]
    failures: list[str]


def folders() -> list[Path]:
    """The folder that PERDURE_CEL_ROWS names; else our own rows, and the shared ones if they are here."""
    if chosen := os.environ.get("PERDURE_CEL_ROWS"):
        return [Path(chosen)]
    return [OWN, *([SHARED] if SHARED.is_dir() else [])]


def suites(folder: Path) -> Iterator[Suite]:
    """Every suite in and below ``folder``, in the order of the file names."""
    for path in sorted(folder.rglob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("rows"):
            yield Suite(document["suite"], document.get("kind", "core"), tuple(document["rows"]))


def deviations(*places: Path) -> dict[str, dict[str, Any] | None]:
    """Rows that deviate, to the value they must give; None when the row is not run."""
    found: dict[str, dict[str, Any] | None] = {}
    for path in (place / "deviations.json" for place in places):
        if not path.is_file():
            continue
        for deviation in json.loads(path.read_text(encoding="utf-8"))["deviations"]:
            for row in deviation["rows"]:
                found[f"{row['suite']}/{row['section']}/{row['name']}"] = row.get("instead")
    return found


def run(suite: Suite, deviating: dict[str, dict[str, Any] | None]) -> Outcome:
    """Run every row of a suite."""
    counts, failures = Counter[str](), []
    for row in suite.rows:
        name = suite.identity(row)
        instead = deviating.get(name)
        if suite.name in LEFT_OUT or (name in deviating and instead is None):
            counts["left out"] += 1
            continue
        reason = failure(row, row["expect"] if instead is None else {"value": instead})
        if reason is not None:
            failures.append(f"{name}: {row['expr']}: {reason}")
        counts["failed" if reason else "passed" if instead is None else "deviated"] += 1
    return Outcome(counts, failures)
