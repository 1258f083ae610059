"""Wrong engines, each by a line or two, that a simulation worth its name must find.

``imported(name)`` makes the modules of a mutant come from changed source. It must be called before anything
of perdure is imported, so each mutant has a process of its own: ``python -m tests.sim --mutant NAME``.
"""

from __future__ import annotations

from tests.sim.mutants.further import PRESENT
from tests.sim.mutants.importing import install
from tests.sim.mutants.model import Mutant
from tests.sim.mutants.planned import PLANNED
from tests.sim.mutants.sharing import SHARING
from tests.sim.mutants.telling import TELLING

ALL: dict[str, Mutant] = {**PRESENT, **PLANNED, **SHARING, **TELLING}
MUTANTS = {name: mutant for name, mutant in ALL.items() if not mutant.guard}
"""Those that can be found."""


def imported(name: str) -> None:
    """From now on the mutant's modules are imported with its changes."""
    import_changed(ALL[name])


def import_changed(mutant: Mutant) -> None:
    """The same for a mutant of another table."""
    install(mutant.changes)
