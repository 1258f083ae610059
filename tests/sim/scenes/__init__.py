"""What goes on beside the documents: scenes, each with clients of its own and an account of its own."""

from __future__ import annotations

from random import Random

from tests.sim.scenes.bookings import Bookings
from tests.sim.scenes.calendar import Calendar
from tests.sim.scenes.counters import Counters
from tests.sim.scenes.crossing import Crossing
from tests.sim.scenes.endings import Endings
from tests.sim.scenes.lanes import Lanes
from tests.sim.scenes.lives import Lives
from tests.sim.scenes.places import Places
from tests.sim.scenes.poison import Poison
from tests.sim.scenes.repeats import Repeats
from tests.sim.scenes.rewinds import Rewinds
from tests.sim.scenes.stage import Scene, Stage
from tests.sim.scenes.versions import Versions

SOME = (Bookings, Calendar, Crossing, Endings, Lives, Places, Repeats, Rewinds, Versions)
QUICK = (Counters,)
"""Their clients look again and again for an answer: where time is long, that takes too many steps."""
SELDOM = 0.04
"""Who takes processes down leaves little to others."""
OFTEN = 0.12
"""How often each of them is there: a run with everything in it would find nothing for long."""


def scenes(stage: Stage, random: Random) -> list[Scene]:
    """Those of a run."""
    kinds = SOME if stage.long_time else (*SOME, *QUICK)
    found: list[Scene] = [Lanes(stage), *(kind(stage) for kind in kinds if random.random() < OFTEN)]
    return [*found, Poison(stage)] if random.random() < SELDOM else found
