"""``NOTIFY`` and ``LISTEN``: what one process has written, others hear at once.

Notices are sent after the commit, by a transaction of their own, at most one in a few milliseconds: inside
the data's transaction ``NOTIFY`` makes all commits queue for one lock. They are heard on a connection of
their own, which must be direct: behind a pooler in transaction mode there is nobody to hear them. So who
listens also tells itself something now and then, and counts as deaf until it has heard that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from perdure.engine import clock
from perdure.engine.errors import StoreError
from perdure.engine.ids import new_id
from perdure.engine.store.notices import EVERYTHING, Notice, notice_in
from perdure.engine.store.postgres_errors import ERRORS

TELL_EVERY = 0.005
"""Seconds between two notices of a process."""
LAST_WORDS = 1.0
"""Seconds that a process that closes its hub waits until its last notice is sent."""
PROVE_EVERY = 10.0
"""Seconds after which who listens makes sure that it hears."""
PROVE_WITHIN = 5.0
"""Seconds within which it must hear itself."""
AGAIN_AFTER = (0.2, 1.0, 5.0)
"""Seconds until the next try after the connection was lost, and after the first and further failures."""


def channel(schema: str) -> str:
    """Where a hub's processes tell each other: names of channels are short, and for all of a database."""
    return f"perdure_{hashlib.sha256(schema.encode()).hexdigest()[:32]}"


class Teller:
    """Sends notices in a thread of its own, all that came up in the meantime as one.

    What cannot be sent is forgotten.
    """

    def __init__(self, send: Callable[[str, str], None], channel: str) -> None:
        self.name = new_id()
        """Begins each notice: who has sent it need not hear it."""
        self._send = send
        self._channel = channel
        self._lock = threading.Condition()
        self._notice = Notice()
        self._proof: str | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def tell(self, notice: Notice) -> None:
        """Let all others know."""
        with self._lock:
            self._notice |= notice
            self._awake()

    def prove(self, channel: str) -> None:
        """Say something there."""
        with self._lock:
            self._proof = channel
            self._awake()

    def _awake(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._main, name="perdure-notices", daemon=True)
            self._thread.start()
        self._lock.notify_all()

    def close(self) -> None:
        """Send what is to be sent, unless that takes long."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(LAST_WORDS)

    def _main(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._notice or self._proof or self._closed)
                if not (self._notice or self._proof):
                    return
                notice, self._notice = self._notice, Notice()
                proof, self._proof = self._proof, None
            with contextlib.suppress(StoreError):
                if notice:
                    self._send(self._channel, f"{self.name} {notice.text()}")
                if proof:
                    self._send(proof, "")
            with self._lock:
                self._lock.wait_for(lambda: self._closed, TELL_EVERY)


class Listener:
    """Hears notices on a connection of its own, and tries again for ever when that breaks.

    ``heard`` is called with each; and with everything when it begins to hear, for who knows what was told
    before. ``lost`` is called when it hears no more. What its own process's ``teller`` tells it leaves out.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        channel: str,
        teller: Teller,
        *,
        heard: Callable[[Notice], None],
        lost: Callable[[], None],
    ) -> None:
        self.hears = False
        """Whether it would hear now what others tell."""
        self._connect = connect
        self._channel = channel
        self._teller = teller
        self._own = f"perdure_{new_id()}"
        self._heard = heard
        self._lost = lost
        self._closing, self._closed = os.pipe()
        self._thread = threading.Thread(target=self._main, name="perdure-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        os.close(self._closed)
        self._thread.join(LAST_WORDS)
        if not self._thread.is_alive():
            os.close(self._closing)

    def _main(self) -> None:
        tries = 0
        while True:
            with contextlib.suppress(*ERRORS), self._connect() as connection:
                for name in (self._channel, self._own):
                    connection.execute(f'LISTEN "{name}"')
                self._listen(connection)
            tries = 0 if self.hears else min(tries + 1, len(AGAIN_AFTER) - 1)
            if self.hears:
                self.hears = False
                self._lost()
            if self._waited(AGAIN_AFTER[tries]):
                return

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        """Until it is deaf, or not needed any more."""
        proven, until = False, clock.monotonic() + PROVE_WITHIN
        self._teller.prove(self._own)
        while True:
            if self._waited(max(until - clock.monotonic(), 0.0), connection.fileno()):
                return
            connection.pgconn.consume_input()
            while (told := connection.pgconn.notifies()) is not None:
                if told.relname.decode() == self._own:
                    proven, until = True, clock.monotonic() + PROVE_EVERY
                    self._begin_to_hear()
                elif self.hears:
                    name, _, text = told.extra.decode().partition(" ")
                    if name != self._teller.name:
                        self._heard(notice_in(text))
            if clock.monotonic() >= until:
                if not proven:
                    return
                proven, until = False, clock.monotonic() + PROVE_WITHIN
                self._teller.prove(self._own)

    def _begin_to_hear(self) -> None:
        if not self.hears:
            self.hears = True
            self._heard(EVERYTHING)

    def _waited(self, seconds: float, *others: int) -> bool:
        """Wait for one of these to be readable; True if it is to close."""
        waiting = select.poll()
        for each in (self._closing, *others):
            waiting.register(each, select.POLLIN)
        return self._closing in dict(waiting.poll(seconds * 1000))
