"""Locks between processes on files beside a database.

They are POSIX record locks (``fcntl.lockf``): the kernel frees them when the process ends, however it ends,
and a forked child does not inherit them. Their price: inside one process they never conflict, and closing
*any* descriptor of the file drops them. So each file is opened once a process, and what this process holds
is written down here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from perdure.engine import clock
from perdure.engine.errors import Refused, StoreError

PATIENCE = 5.0
"""Seconds that somebody waits at a turnstile: no process that runs stands in it for so long."""
LOOK_EVERY = 0.0005
_pause = threading.Event()


@dataclass(slots=True)
class _Shared:
    """The one descriptor of a turnstile's file in this process, and its queue of threads."""

    descriptor: int
    users: int = 0
    threads: threading.Lock = field(default_factory=threading.Lock)
    held: bool = False
    stuck: bool = False
    """Whether the last one did not get through."""


_registry = threading.Lock()
_turnstiles: dict[str, _Shared] = {}
_members: dict[str, int] = {}
_held: dict[int, tuple[int, int]] = {}
"""Which file, by device and inode, each of their descriptors has: a path may have a second name."""


def _forget_all() -> None:
    """In a forked child: the locks stayed with the parent."""
    global _registry  # noqa: PLW0603 -- another thread may have held it when the process forked
    _registry = threading.Lock()
    _turnstiles.clear()
    _members.clear()
    _held.clear()


os.register_at_fork(after_in_child=_forget_all)


class Turnstile:
    """Lets writers in one at a time. A context manager; not reentrant.

    It is for fairness and guards nothing: a process that is stopped in it is passed by after a while.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with _registry:
            shared = _turnstiles.get(path)
            if shared is None:
                shared = _turnstiles[path] = _Shared(_open(path))
            shared.users += 1
        self._shared = shared

    def __enter__(self) -> None:
        """Wait for one's turn, but not for ever."""
        self._shared.threads.acquire()
        try:
            self._wait()
        except BaseException:
            # Ctrl-C: who has not come through keeps nobody out.
            self._leave()
            raise

    def _wait(self) -> None:
        shared = self._shared
        until = clock.monotonic() + (0.0 if shared.stuck else PATIENCE)
        # The kernel's own queue would not let anybody out again.
        while not _is_free(shared.descriptor):
            if clock.monotonic() >= until:
                shared.stuck = True
                return
            _pause.wait(LOOK_EVERY)
        shared.held, shared.stuck = True, False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._shared.held = False
        fcntl.lockf(self._shared.descriptor, fcntl.LOCK_UN)
        self._shared.threads.release()

    def close(self) -> None:
        """Give the file back; the last user in this process closes it."""
        with _registry:
            self._shared.users -= 1
            if self._shared.users == 0 and _turnstiles.get(self._path) is self._shared:
                del _turnstiles[self._path]
                os.close(self._shared.descriptor)


class Members:
    """One locked file a worker, in a directory beside the database.

    ``enter`` before a worker's row is written, so a live row without a lock means that the process is
    over. A missing file says nothing: the lease decides.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._mine: set[str] = set()

    def enter(self, worker: str) -> None:
        """Lock the worker's file for as long as this process lives. Raises ``Refused`` if there is one."""
        path = self._path(worker)
        with _registry:
            self._directory.mkdir(exist_ok=True)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileExistsError as error:
                raise Refused(f"The worker id {worker!r} was used before.") from error
            except OSError as error:
                raise StoreError(f"Cannot make the lock file {path!r}: {error.strerror}.") from error
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _members[path] = descriptor
            _held[descriptor] = _file(os.fstat(descriptor))
            self._mine.add(worker)

    def exit(self, worker: str) -> None:
        """Free the file if this process holds it, and remove it."""
        self.release(worker)
        with contextlib.suppress(OSError):
            Path(self._path(worker)).unlink()

    def release(self, worker: str) -> None:
        """Free the file as the end of the process would."""
        with _registry:
            descriptor = _members.pop(self._path(worker), None)
            self._mine.discard(worker)
            if descriptor is not None:
                del _held[descriptor]
                os.close(descriptor)

    def surely_over(self, worker: str) -> bool:
        """Whether the worker's file is there and nobody holds it."""
        path = self._path(worker)
        with _registry:
            try:
                # To open and close a file of one's own would free it.
                if _file(Path(path).stat()) in _held.values():
                    return False
            except OSError:
                return False
            with _opened(path) as descriptor:
                return descriptor is not None and _is_free(descriptor)

    def close(self) -> None:
        """Free all files that were locked through this object."""
        for worker in tuple(self._mine):
            self.release(worker)

    def _path(self, worker: str) -> str:
        return str(self._directory / quote(worker, safe=""))


def _file(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"Cannot open the lock file {path!r}: {error.strerror}.") from error


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    """Whether nobody else had it; then it is ours."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
