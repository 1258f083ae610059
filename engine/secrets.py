"""Secrets: where a worker finds them, and how it keeps them to itself.

``secret('psp-token')`` is the environment variable ``PERDURE_SECRET_PSP_TOKEN``, or else the file
``psp-token`` of the directory that ``PERDURE_SECRETS_DIR`` names, without a line break at its end. It is
looked up for each attempt, so that a new value counts at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perdure.compiler.ir import Secret

VARIABLE = "PERDURE_SECRET_"
DIRECTORY = "PERDURE_SECRETS_DIR"
SHORT = 4
"""Characters below which a secret is only hidden where it stands alone: it is part of too many texts."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class NoSecret(Exception):
    """This worker does not have a secret. The text names it, and where it was looked for."""


def variable(name: str) -> str:
    """The environment variable of a secret."""
    return VARIABLE + re.sub(r"[^A-Z0-9]", "_", name.upper())


def find(name: str, environment: Mapping[str, str] | None = None) -> str:
    """The value of a secret. Raises ``NoSecret``."""
    environment = os.environ if environment is None else environment
    value = environment.get(variable(name))
    if value is not None:
        return value
    directory = environment.get(DIRECTORY)
    where = f"{variable(name)} is not set"
    if directory is None:
        where += f", nor {DIRECTORY}"
    elif _FILE_NAME.fullmatch(name):
        try:
            return Path(directory, name).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeError) as error:
            kind = error.strerror if isinstance(error, OSError) else "not UTF-8"
            where += f", and the file {name!r} in {DIRECTORY}: {kind}"
    else:
        where += f", and no file can have this name in {DIRECTORY}"
    raise NoSecret(f"this worker has no secret {name!r}: {where}")


class Vault:
    """The secrets of one attempt, by name."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = sorted(values.items(), key=lambda item: -len(item[1]))

    @classmethod
    def of(cls, wanted: Sequence[Secret]) -> Vault:
        """Look the secrets up. Raises ``NoSecret``."""
        return cls({each.name: find(each.name) for each in wanted})

    def put_in(self, arguments: Any, wanted: Sequence[Secret]) -> Any:
        """The arguments with each secret in its place; the ones that were given stay as they are."""
        values = dict(self._values)
        for each in wanted:
            arguments = _with(arguments, each.path, values[each.name])
        return arguments

    def hide(self, value: Any) -> Any:
        """A JSON value with the name of each secret where the secret itself was."""
        if not self._values:
            return value
        if isinstance(value, str):
            return self._hidden(value)
        if isinstance(value, dict):
            return {self._hidden(key): self.hide(each) for key, each in value.items()}
        return [self.hide(each) for each in value] if isinstance(value, list) else value

    def _hidden(self, text: str) -> str:
        for name, secret in self._values:
            if secret and (len(secret) >= SHORT or text == secret):
                text = text.replace(secret, f"[secret {name}]")
        return text


NOTHING = Vault({})
"""No secrets at all."""


def _with(value: Any, path: Sequence[str | int], secret: str) -> Any:
    if not path:
        return secret
    return {**value, path[0]: _with(value[path[0]], path[1:], secret)}
