"""Random valid workflows whose outcome is known: each activity does one thing, and nothing is left to chance.

A document is made together with a small interpreter of it in Python, which says what its output is and how
often each activity has to be carried out. That is the oracle; it knows nothing of the engine.
"""

from __future__ import annotations

from random import Random

from tests.sim.documents import activities, blocks, concurrent, entities, errors, others, plain
from tests.sim.documents.maker import Kinds, Maker
from tests.sim.documents.model import Document

KINDS = Kinds(
    always=[activities.activity, activities.activity],
    once=[others.detached, plain.published, plain.published],
    top=[plain.event, plain.event],
    simple=[
        activities.activity,
        activities.outside,
        activities.reporting,
        activities.large,
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
        others.child,
        others.timed,
    ],
)


ASKED = frozenset([plain.published, activities.outside, activities.reporting])
"""Those that need somebody outside, or time within an activity."""


def make(seed: int, *, long_time: bool, alone: bool = False) -> Document:
    """The document of a seed; one that is ``alone`` needs nobody but who sends it its events."""
    kinds = KINDS.without(ASKED) if alone else KINDS
    return Maker(Random(f"document {seed}"), kinds, long_time=long_time, queued=not alone).document()
