"""Between a store and its PostgreSQL, to cut connections where it hurts."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from tests.postgres import Server

How = Literal["pass", "lose", "deaf", "late"]
"""What becomes of a COMMIT: it arrives and is answered; it never arrives; it does, but its answer does
not; or it arrives when it is let go, long after its sender has heard that the connection is gone. A notice's
is not meant."""

HELD = 3
"""COMMITs that are drawn after one that is late, before that is let go."""


class Proxy:
    """Looks like the server. ``next`` says what becomes of the next COMMIT; those after it pass.

    ``draw`` is asked about each, if it is given. ``cuts`` counts connections that were cut, by what was done
    to a COMMIT and what the server answered to it, if it came so far.
    """

    def __init__(self, server: Server, draw: Callable[[], How] | None = None) -> None:
        self.next: How = "pass"
        self.cuts = Counter[str]()
        self._draw = draw
        self._lock = threading.Lock()
        self._target = f"{server.directory}/.s.PGSQL.5432"
        self._directory = tempfile.TemporaryDirectory(prefix="perdure-proxy-")
        self._path = Path(self._directory.name)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{self._path}/.s.PGSQL.5432")
        self._listening.listen(128)
        self._held: list[tuple[socket.socket, bytes]] = []
        self._drawn_since = 0
        self._unheard: dict[socket.socket, How] = {}
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, schema: str = "hub") -> str:
        """Of the hub behind it."""
        return f"postgresql://perdure@/postgres?host={self._path}&schema={schema}"

    def let_go(self) -> None:
        """Let all COMMITs that came late arrive, where the server still waits for them."""
        with self._lock:
            held, self._held = self._held, []
        for server, data in held:
            with contextlib.suppress(OSError):
                server.sendall(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for each in [self._listening, *self._sockets]:
            _close(each)
        for thread in self._threads:
            thread.join()
        self._directory.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._sockets += [client, server]
            for target, arguments in ((self._forward, (client, server)), (self._back, (client, server))):
                self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
                self._threads[-1].start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        how: How = "pass"
        notice = False
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                how = "pass" if notice else self._fate(data)
                notice = b"pg_notify" in data
                if how == "lose":
                    self.cuts["lost"] += 1
                    break
                if how != "pass":
                    self._unheard[server] = how
                if how == "late":
                    with self._lock:
                        self._held.append((server, data))
                    _close(client)
                    return
                server.sendall(data)
                if how == "deaf":
                    # What comes back is read, and tells that the server has done it.
                    return
        _close(server)

    def _fate(self, data: bytes) -> How:
        if b"COMMIT\0" not in data:
            return "pass"
        if self._draw is None:
            how, self.next = self.next, "pass"
            return how
        with self._lock:
            how = self._draw()
            self._drawn_since = self._drawn_since + 1 if self._held else 0
            due = self._drawn_since >= HELD
        if due:
            self.let_go()
        return how

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if server in self._unheard:
                    committed = b"COMMIT\0" in data
                    self.cuts[f"{self._unheard[server]}, {'committed' if committed else 'refused'}"] += 1
                    break
                client.sendall(data)
        _close(client)
        if server in self._unheard:
            _close(server)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
