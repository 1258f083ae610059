"""The limits in ``docs/operations.md`` are those of the code."""

from __future__ import annotations

import re

import pytest

from perdure.dsl import json_schemas, reader
from perdure.engine import (
    attempts,
    claims,
    cursors,
    instance,
    machine,
    payload,
    retention,
    retry,
    suspects,
    worker,
)
from perdure.server import connections
from perdure.server.settings import Settings
from tests.checkout import ROOT

PAGE = ROOT / "docs" / "operations.md"
LIMITS = [
    ("a workflow file", f"{reader.MAX_BYTES >> 10} KiB"),
    ("a workflow file", f"{reader.MAX_DEPTH} levels, {reader.MAX_NODES:,} values"),
    ("one text in it", f"{reader.MAX_SCALAR:,} characters"),
    ("a file with its aliases", f"{reader.MAX_EXPANDED_NODES:,} values"),
    ("JSON Schemas", f"{json_schemas.MAX_SCHEMA_NODES:,} values"),
    ("input, output", f"{payload.MAX_BYTES >> 20} MiB as JSON, {payload.MAX_DEPTH} levels"),
    ("message of an error", f"{attempts.MAX_MESSAGE:,} characters"),
    ("id of an instance", f"{instance.MAX_ID} characters"),
    ("idempotency key of a request", f"{instance.MAX_ID} characters"),
    ("instructions", f"{machine.MAX_INSTRUCTIONS:,}"),
    ("wait between two attempts", f"{retry.MAX_DELAY // 86_400_000_000} days"),
    ("histories of earlier generations", str(retention.KEPT_GENERATIONS)),
    ("hand-outs", str(claims.MAX_DELIVERIES)),
    ("deaths of processes", str(suspects.SHAKY)),
    ("turns of an instance in which", str(suspects.MAX_DEATHS)),
    ("lease", f"{worker.LEASE // 1_000_000} seconds"),
    ("items of a list", f"{cursors.MAX_LIMIT:,}"),
    ("body of a request", f"{Settings().body_bytes >> 20} MiB"),
    ("one request that waits", f"{Settings().wait_seconds:.0f} seconds"),
    ("requests that wait for their turn", f"{Settings().waiting:,}"),
    ("requests that wait for an end", f"{Settings().waits:,}"),
    ("bodies of all requests", f"{Settings().held_bytes >> 20} MiB"),
    ("connections of a server", f"{Settings().connections:,}, or {connections.SPARE_FILES} less"),
    ("head of a request", f"{connections.MAX_HEAD >> 10} KiB, within {Settings().head_seconds:.0f} seconds"),
    ("time for a body", f"{Settings().body_seconds:.0f} seconds"),
]


@pytest.mark.parametrize(("what", "limit"), LIMITS)
def test_limits_are_those_of_the_code(what: str, limit: str) -> None:
    """The row of the table that begins so has the limit of the code."""
    rows = re.findall(rf"^\| {re.escape(what)}[^|]*\| ([^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [limit in row for row in rows] == [True]


def test_the_files_that_hold_limits_exist() -> None:
    """Each file that a row names is there."""
    named = set(re.findall(r"\| `((?:dsl|engine|server)/[\w/]+\.py)` \|", PAGE.read_text("utf-8")))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []
