"""Histories replayed in another interpreter: the same states, whatever is different there.

``python -m tests.sim.elsewhere FILE`` prints a digest of what every prefix of the histories in a file adds
up to.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import msgspec

from perdure.compiler.encode import decode
from perdure.compiler.ir import Program
from perdure.engine.linked import link
from perdure.engine.replay import replay
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import HistoryRow, InstanceQuery


class Kept(msgspec.Struct):
    """The history of one generation of an instance, and its Program."""

    instance: str
    program: str
    rows: list[HistoryRow]


def kept(store: Store) -> list[Kept]:
    """Every history that a store has."""
    found = []
    for row in sorted(store.instances(InstanceQuery(limit=10_000)), key=lambda each: each.id):
        program = store.program(row.digest)
        assert program is not None, "what has run is stored"
        for generation in range(1, row.generation + 1):
            rows = store.history(row.id, generation, 0, 1_000_000)
            if rows:
                found.append(Kept(row.id, program, rows))
    return found


def digests(histories: list[Kept]) -> list[str]:
    """What each history adds up to after each of its turns, in one digest a history."""
    found = []
    for each in histories:
        program = decode(each.program)
        assert isinstance(program, Program), "an instance runs a workflow"
        linked, digest = link(program), hashlib.sha256()
        for count in range(1, len(each.rows) + 1):
            machine = replay(linked, each.instance, each.rows[:count])
            digest.update(msgspec.json.encode(machine.state))
        found.append(f"{each.instance} {len(each.rows)} {digest.hexdigest()}")
    return found


if __name__ == "__main__":
    print("\n".join(digests(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=list[Kept]))))  # noqa: T201
