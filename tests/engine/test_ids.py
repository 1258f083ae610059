"""New ids: what can be relied on where rows are kept under them."""

from __future__ import annotations

import subprocess
import sys

from perdure.engine.ids import ordered_id

_FORKED = """
import os
from perdure.engine.ids import ordered_id
ordered_id()
child = os.fork()
os.write(1, b"".join(b"%s " % ordered_id()[12:].encode() for _ in range(100)))
if child:
    os.waitpid(child, 0)
"""


def test_later_ids_sort_behind_earlier_ones() -> None:
    """Rows of instances that are started one after the other lie side by side."""
    first = ordered_id()
    second = ordered_id()
    while second[:12] == first[:12]:
        second = ordered_id()
    assert first < second


def test_ids_of_one_moment_differ() -> None:
    """Thousands are made within a millisecond, by several processes."""
    assert len({ordered_id()[12:] for _ in range(10_000)}) == 10_000


def test_a_forked_process_makes_others() -> None:
    """What was drawn ahead is the parent's alone."""
    said = subprocess.run([sys.executable, "-c", _FORKED], check=True, capture_output=True, text=True).stdout
    made = said.split()
    assert len(made) == len(set(made)) == 200
