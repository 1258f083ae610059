"""Random valid workflows whose outcome is known: each activity does one thing, and nothing is left to chance.

A document is made together with a small interpreter of it in Python, which says what its output is and how
often each activity has to be carried out. That is the oracle; it knows nothing of the engine.
"""

from __future__ import annotations

from random import Random

from tests.sim.documents import blocks, concurrent, entities, errors, plain
from tests.sim.documents.maker import Kinds, Maker
from tests.sim.documents.model import Document

KINDS = Kinds(
    top=[plain.event, plain.event],
    simple=[
        plain.activity,
        plain.activity,
        plain.activity,
        plain.constant,
        plain.pause,
        plain.late_event,
        entities.add,
        entities.tell,
        entities.locked,
    ],
    alone=[plain.assign],
    groups=[
        blocks.sequence,
        blocks.choice,
        blocks.for_each,
        blocks.until,
        blocks.bound,
        errors.caught,
        errors.saga,
        concurrent.fan_out,
        concurrent.fan_out,
        concurrent.parallel,
        concurrent.race,
        concurrent.child,
    ],
)


def make(seed: int, *, long_time: bool) -> Document:
    """The document of a seed."""
    return Maker(Random(f"document {seed}"), KINDS, long_time=long_time).document()
