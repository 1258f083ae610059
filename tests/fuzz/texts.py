"""Mutations of any text: characters, tokens, lines and pieces of other texts."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

ODD = (
    *"\t\r\n\0 :-?{}[]&*!|>'\"%@`#,.$~=<;\\/()+\x7f\x85\xa0\u2028\ufeff\ufffe\u0301é漢😀\U0010ffff",
    *("${", "}", "$${", "${ ", " }", "\r\n", "\n\n", "  ", ": ", "- ", " #", "--- ", "\n---\n", "\n...\n"),
    *("&a ", "*a", "<<: ", "!!str ", "!x ", "%YAML 1.1\n---\n", "|\n ", ">-\n ", "? ", "'''", '"""', "''"),
    *("0", "-1", "9223372036854775808", "1e999", "0x", "1_0", ".5", ".inf", "0.1", "99999999999999999999999"),
)
_TOKEN = re.compile(r"\w+|[ \t]+|\n|[^\w\s]")
_LONGEST_REPEAT = 20_000


class TextMutator:
    """Changes texts at random; ``words`` are put where tokens stand."""

    def __init__(self, source: random.Random, words: Sequence[str]) -> None:
        self.random = source
        self.words = words

    def change(self, text: str, other: str) -> str:
        """One mutation of ``text``; a splice takes a piece of ``other``."""
        mutation = self.random.choice(
            (self.character, self.character, self.token, self.token, self.line, self.repeat)
        )
        return self.splice(text, other) if self.random.random() < 0.15 else mutation(text)

    def cut(self, text: str, longest: int = 40) -> tuple[int, int]:
        """The ends of a random stretch."""
        start = self.random.randint(0, len(text))
        return start, min(len(text), start + self.random.randint(0, longest))

    def character(self, text: str) -> str:
        """Characters taken out, put in or replaced."""
        start, end = self.cut(text, 3)
        put = "".join(self.random.choices(ODD, k=self.random.randint(0, 2)))
        return text[:start] + put + text[end if self.random.random() < 0.5 else start :]

    def token(self, text: str) -> str:
        """A token replaced, doubled, dropped or swapped with another."""
        tokens = _TOKEN.findall(text) or [""]
        at, to = self.random.randrange(len(tokens)), self.random.randrange(len(tokens))
        match self.random.randrange(5):
            case 0:
                tokens[at] = self.random.choice(self.words)
            case 1:
                tokens[at] = tokens[to]
            case 2:
                tokens[at] *= 2
            case 3:
                tokens[at], tokens[to] = tokens[to], tokens[at]
            case _:
                del tokens[at]
        return "".join(tokens)

    def line(self, text: str) -> str:
        """A line moved, doubled, dropped, joined or indented."""
        lines = text.split("\n")
        at, to = self.random.randrange(len(lines)), self.random.randrange(len(lines))
        match self.random.randrange(5):
            case 0:
                lines[at], lines[to] = lines[to], lines[at]
            case 1:
                lines.insert(to, lines[at])
            case 2:
                lines[at] = " " * self.random.randint(1, 4) + lines[at]
            case 3:
                lines[at] = lines[at].removeprefix("  ")
            case _:
                del lines[at]
        return self.random.choice(("\n", "\n", "\n", "\n", "\r\n", "\r")).join(lines)

    def repeat(self, text: str) -> str:
        """A stretch many times over."""
        start, end = self.cut(text)
        most = _LONGEST_REPEAT // max(end - start, 1)
        times = min(most, int(2 ** self.random.uniform(0, 14)))
        return text[:end] + text[start:end] * times + text[end:]

    def splice(self, text: str, other: str) -> str:
        """A stretch of another text put in, or the tail of it."""
        if self.random.random() < 0.5:
            return text[: self.random.randint(0, len(text))] + other[self.random.randint(0, len(other)) :]
        start, end = self.cut(text)
        first, last = self.cut(other, 200)
        return text[:start] + other[first:last] + text[end:]
