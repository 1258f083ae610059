"""Programs by digest, linked once and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from perdure.compiler.encode import UnknownProgram
from perdure.compiler.runtime import EvalError
from perdure.engine.linked import LinkedProgram, link_stored


class Programs:
    """A cache in front of ``store.program``. Safe to use from several threads."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read
        self._linked: dict[str, LinkedProgram] = {}

    def get(self, digest: str) -> LinkedProgram:
        """The Program. Raises ``UnknownProgram`` when it is not there or cannot be run here."""
        present = self._linked.get(digest)
        return self._read_anew(digest) if present is None else present

    def _read_anew(self, digest: str) -> LinkedProgram:
        text = self._read(digest)
        if text is None:
            raise UnknownProgram(f"program {digest} is not in the database")
        try:
            linked = link_stored(digest, text)
        except EvalError as error:
            raise UnknownProgram(f"program {digest}: {error.message}") from error
        self._linked[digest] = linked
        return linked

    def add(self, program: LinkedProgram) -> None:
        """Know a Program that is stored already."""
        self._linked[program.digest] = program

    def all(self, digests: Iterable[str], *, anew: Collection[str] = ()) -> dict[str, LinkedProgram | str]:
        """Each Program, or the reason why it cannot be had; those in ``anew`` as the database has them now.

        What was known stays known until there is another: activities that run need it when they end.
        """
        found: dict[str, LinkedProgram | str] = {}
        for digest in digests:
            try:
                found[digest] = self._read_anew(digest) if digest in anew else self.get(digest)
            except UnknownProgram as error:
                found[digest] = f"program: {error}"
        return found
