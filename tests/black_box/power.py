"""What is left of a database when the power fails: some of the log that was not synced is lost, or torn.

A server is stopped (SIGSTOP) and its files are copied as they lie. Of the log, everything up to the last
commit that SQLite has published is synced; what the server had answered before is in it. So the image may be
cut anywhere at or after the commit that a client's answer needs, whatever follows there.
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.black_box.processes import Folder

WORKERS = "hub.db.workers"
HEADER, FRAME_HEADER = 32, 24
SECTOR = 512
TAILS = ("nothing", "zeros", "garbage", "torn", "as it was")


@dataclass(frozen=True)
class Mark:
    """Where the log is: the salts of its header (it begins anew with others) and its last commit's frame."""

    salts: tuple[int, int]
    frame: int
    page: int = 4096

    @property
    def offset(self) -> int:
        """The end of that frame in the file."""
        return HEADER + self.frame * (FRAME_HEADER + self.page)


def mark(folder: Folder) -> Mark:
    """The last commit that is synced and published, as the shared index of the log has it.

    Its header stands there twice, and is being written while the two differ: SQLite writes the second, and
    then the first. When they stay as they are, the process was stopped between the two, and the first is of
    the commit before.
    """
    index, before = folder.path / "hub.db-shm", b""
    while True:
        with index.open("rb") as file:
            both = file.read(96)
        if both[:48] == both[48:] or both == before:
            page, frame = struct.unpack_from("=HI", both, 14)
            salts = struct.unpack_from("=II", both, 32)
            return Mark(salts, frame, page)
        before = both


def backfilled(folder: Folder) -> int:
    """How many frames of the log may be in the database already: these were synced before."""
    with (folder.path / "hub.db-shm").open("rb") as file:
        file.seek(96)
        words = struct.unpack("=10I", file.read(40))
    return max(int(words[0]), int(words[8]))


@dataclass(frozen=True)
class Image:
    """The files of a stopped server, and where its log was then."""

    path: Path
    last: Mark
    least: int
    """No cut is before this frame: the database has pages of those before it."""

    @staticmethod
    def taken(folder: Folder, path: Path) -> Image:
        """Copy the files of a server that is stopped."""
        path.mkdir()
        for name in ("hub.db", "hub.db-wal"):
            shutil.copyfile(folder.path / name, path / name)
        shutil.copytree(folder.path / WORKERS, path / WORKERS)
        return Image(path, mark(folder), backfilled(folder))

    def cut(self, target: Path, offset: int, tail: str, random: Random) -> None:
        """What the power leaves: the log up to a byte, and then nothing, or what was not written whole."""
        target.mkdir()
        shutil.copyfile(self.path / "hub.db", target / "hub.db")
        log = (self.path / "hub.db-wal").read_bytes()
        (target / "hub.db-wal").write_bytes(log[:offset] + _tail(log[offset:], tail, random))
        if random.random() < 0.9:
            # Whoever comes sees that nobody holds them. Where they were not synced, the lease must run out.
            shutil.copytree(self.path / WORKERS, target / WORKERS)


def _tail(lost: bytes, kind: str, random: Random) -> bytes:
    match kind:
        case "nothing":
            return b""
        case "zeros":
            return bytes(len(lost))
        case "garbage":
            return random.randbytes(min(len(lost), 64 * SECTOR))
        case "torn":
            sectors = [lost[place : place + SECTOR] for place in range(0, len(lost), SECTOR)]
            return b"".join(each if random.random() < 0.5 else bytes(len(each)) for each in sectors)
        case _:
            return lost
