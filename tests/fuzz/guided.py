"""The same targets, with inputs that are chosen by what they make the code do (atheris, by hand).

It is an extra of its own (``pip install -e '.[fuzz]'``), because it has wheels for some Pythons only.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGETS = ("documents", "expressions", "stored", "words")


def main(target: str, runs: int, seed: int) -> None:
    """Never returns: the process ends with 0 after so many runs, or with a traceback and the input."""
    import atheris

    with atheris.instrument_imports(include=["perdure"], enable_loader_override=False):
        read, examine, seeds = _target(target)

    def one(data: bytes) -> None:
        problem = examine(read(data))
        if problem is not None:
            raise AssertionError(problem)

    with tempfile.TemporaryDirectory() as corpus:
        for number, each in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(each)
        options = [f"-runs={runs}", f"-seed={seed + 1}", "-max_len=8000", "-timeout=5", "-rss_limit_mb=1024"]
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()


def _target(name: str) -> tuple[Callable[[bytes], Any], Callable[[Any], str | None], list[bytes]]:
    """How bytes are read, what is examined, and what to begin with."""
    match name:
        case "documents":
            from tests.fuzz import documents

            return bytes, documents.examine, [each.encode() for each in documents.seeds()]
        case "expressions":
            from tests.fuzz import expressions

            def case(data: bytes) -> expressions.Case:
                return expressions.Case(data.decode(errors="ignore"), {"input": expressions.INPUT}, "raw")

            return case, expressions.examine, [each.text.encode() for each in expressions.seeds()]
        case "stored":
            from tests.fuzz import stored

            kinds = ("program", "turn", "message")

            def text(data: bytes) -> stored.Stored:
                return stored.Stored(kinds[data[0] % 3] if data else "turn", data[1:], "{}")

            written = [(at, each) for at, kind in enumerate(kinds) for each in stored.seeds_of(kind)]
            return text, stored.examine, [bytes([at]) + each.encode() for at, each in written]
        case _:
            from tests.fuzz import words

            names = sorted(words.READERS)

            def word(data: bytes) -> words.Word:
                kind = names[data[0] % len(names)] if data else names[0]
                return words.Word(kind, data[1:].decode(errors="ignore"))

            found = [(kind, each) for kind, texts in words.SEEDS.items() for each in texts]
            return word, words.examine, [bytes([names.index(kind)]) + each.encode() for kind, each in found]
