"""What one process tells others that it has written. A hint: who misses it finds the rows a little later."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from perdure.engine.instance import SLOTS

Told = Callable[[bool], None]
"""Is called from any thread when there is something new; with True if it is about members or their slots."""


class Notice(NamedTuple):
    """New messages of ``slots``, tasks that may be claimed, other members or owners, other definitions."""

    slots: frozenset[int] = frozenset()
    tasks: bool = False
    members: bool = False
    definitions: bool = False

    def __bool__(self) -> bool:
        return self != _NOTHING

    def __or__(self, other: Notice) -> Notice:
        return Notice(self.slots | other.slots, *(a or b for a, b in zip(self[1:], other[1:], strict=True)))

    def without(self, slots: frozenset[int]) -> Notice:
        """The same for who has nothing to do with messages of these slots."""
        return self._replace(slots=self.slots - slots)

    def text(self) -> str:
        """As it is sent: ``tmd 3,17``."""
        kinds = "".join(letter for letter, there in zip(_LETTERS, self[1:], strict=True) if there)
        slots = "*" if len(self.slots) == SLOTS else ",".join(map(str, sorted(self.slots)))
        return f"{kinds} {slots}"


_NOTHING = Notice()
_LETTERS = "tmd"
ALL_SLOTS = frozenset(range(SLOTS))
EVERYTHING = Notice(ALL_SLOTS, tasks=True, members=True, definitions=True)
"""For who knows what was told before."""


def notice_in(text: str) -> Notice:
    """The notice in a text. One that cannot be read, of a newer version perhaps, is about everything."""
    kinds, _, listed = text.partition(" ")
    try:
        slots = ALL_SLOTS if listed == "*" else frozenset(int(each) for each in listed.split(",") if each)
    except ValueError:
        return EVERYTHING
    return Notice(slots, *(letter in kinds for letter in _LETTERS))


class Untold:
    """A store whose writers tell nobody: whoever wants to know has to look."""

    @property
    def listening(self) -> bool:
        """Never."""
        return False

    def listen(self, _told: Told, /) -> Callable[[], None]:
        """Nothing is ever told."""
        return lambda: None
