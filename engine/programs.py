"""Programs by digest, linked once and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from perdure.compiler.encode import UnknownProgram
from perdure.compiler.runtime import EvalError
from perdure.engine.entities import LinkedEntity, link_stored_entity
from perdure.engine.linked import LinkedProgram, link_stored

_Linked = TypeVar("_Linked", LinkedProgram, LinkedEntity)


class Programs:
    """A cache in front of ``store.program``. Safe to use from several threads."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read
        self._linked: dict[str, LinkedProgram] = {}
        self._entities: dict[str, LinkedEntity] = {}

    def get(self, digest: str) -> LinkedProgram:
        """The Program. Raises ``UnknownProgram`` when it is not there or cannot be run here."""
        present = self._linked.get(digest)
        return self._read_anew(digest) if present is None else present

    def entity(self, digest: str) -> LinkedEntity:
        """The Program of an entity. Raises ``UnknownProgram`` as ``get`` does."""
        if digest not in self._entities:
            self._entities[digest] = self._read_with(link_stored_entity, digest)
        return self._entities[digest]

    def _read_anew(self, digest: str) -> LinkedProgram:
        linked = self._linked[digest] = self._read_with(link_stored, digest)
        return linked

    def _read_with(self, link: Callable[[str, str], _Linked], digest: str) -> _Linked:
        text = self._read(digest)
        if text is None:
            raise UnknownProgram(f"program {digest} is not in the database")
        try:
            return link(digest, text)
        except UnknownProgram:
            raise
        except EvalError as error:
            raise UnknownProgram(f"program {digest}: {error.message}") from error
        except Exception as error:
            # Another version has stored what this one stumbles over: that must stop nobody else.
            raise UnknownProgram(f"program {digest}: {type(error).__name__}: {error}") from error

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
