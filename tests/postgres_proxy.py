"""Between a store and its PostgreSQL, to cut connections where it hurts."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from typing import Literal, Self

from tests.postgres import Server

How = Literal["pass", "lose", "deaf", "late"]
"""What becomes of the next COMMIT: it arrives and is answered; it never arrives; it does, but its answer does
not; or it arrives when ``let_go`` is called, long after its sender has heard that the connection is gone. A
notice's is not meant."""


class Proxy:
    """Looks like the server. ``next`` says what becomes of the next COMMIT; those after it pass."""

    def __init__(self, server: Server) -> None:
        self.next: How = "pass"
        self._target = f"{server.directory}/.s.PGSQL.5432"
        self._directory = tempfile.TemporaryDirectory(prefix="perdure-proxy-")
        self._path = Path(self._directory.name)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{self._path}/.s.PGSQL.5432")
        self._listening.listen()
        self._held: list[tuple[socket.socket, bytes]] = []
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, schema: str = "hub") -> str:
        """Of the hub behind it."""
        return f"postgresql://perdure@/postgres?host={self._path}&schema={schema}"

    def let_go(self) -> None:
        """Let a COMMIT that came late arrive."""
        for server, data in self._held:
            server.sendall(data)
        self._held.clear()

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
        notice = False
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                how = "pass" if notice else self._fate(data)
                notice = b"pg_notify" in data
                if how == "late":
                    self._held.append((server, data))
                    _close(client)
                    return
                if how == "lose":
                    break
                if how == "deaf":
                    _close(client)
                server.sendall(data)
        if (server, b"") not in self._held:
            _close(server)

    def _fate(self, data: bytes) -> How:
        if b"COMMIT\0" not in data:
            return "pass"
        how, self.next = self.next, "pass"
        return how

    @staticmethod
    def _back(client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _close(client)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
