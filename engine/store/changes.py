"""Whether anybody else has written, told by two of PostgreSQL's snapshots.

A snapshot is ``XMIN:XMAX:NUMBER,NUMBER``: transactions below XMAX have ended, but for those in the list. What
has ended between two of them was not ended in the first, and is in the second: no commit can be missed.
"""

from __future__ import annotations

import threading

_MANY = 10_000
"""Transactions between two looks from which on it does not matter whose they are."""


class Changes:
    """Compares each snapshot with the one before, leaving out transactions of one's own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine: set[int] = set()
        self._next: int | None = None
        self._running: set[int] = set()

    def mine(self, number: int) -> None:
        """A transaction that is no news; told before it commits."""
        with self._lock:
            self._mine.add(number)
            if len(self._mine) > _MANY:
                # Nobody has looked for long, and the next one who does need not be told how long.
                self._mine.clear()
                self._next = None

    def seen(self, snapshot: str) -> bool:
        """Whether a transaction of somebody else has ended since the snapshot before. True for the first."""
        first, following, listed = snapshot.split(":")
        running = {int(number) for number in listed.split(",") if number}
        with self._lock:
            before, self._next = self._next, int(following)
            if before is None or self._next - before > _MANY:
                news = True
            else:
                ended = self._running.union(range(before, self._next)) - running
                news = not ended <= self._mine
            self._running = running
            self._mine = {number for number in self._mine if number >= int(first)}
        return news
