"""The command line as tests call it: in this process, or as a process of its own that can be killed."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from perdure.cli import cli
from tests.engine.store.factory import new_database

PERDURE = str(Path(sys.executable).with_name("perdure"))
ENVIRONMENT = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        """The answer in the document."""
        return self.document["data"]

    def stable(self) -> str:
        """Everything, with times and numbers of milliseconds taken out."""
        text = f"exit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "YYYY-MM-DD HH:MM:SSZ", text)
        text = re.sub(r"[\d.]+ \w+( \d+ \w)? left", "N left", text)
        text = re.sub(r"(?m)^\d\d:\d\d:\d\d ", "HH:MM:SS ", text)
        return re.sub(r"\b\d+(\.\d)? m?s\b", "N ms", text)


def perdure(*words: str, input: str | bytes | None = None, **environment: str) -> Answer:
    """Call the command line in this process, in the working directory."""
    with _restored():
        found = CliRunner().invoke(cli, list(words), input=input, env={**ENVIRONMENT, **environment})
    return Answer(found.exit_code, found.stdout, found.stderr)


def spawn(*words: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """Start the command line as a process of its own, with pipes."""
    return subprocess.Popen(
        [PERDURE, *words],
        cwd=cwd,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(process: subprocess.Popen[str]) -> Answer:
    """What a process came to."""
    out, err = process.communicate(timeout=60)
    return Answer(process.returncode, out, err)


def call(*words: str, cwd: Path) -> Answer:
    """Call the command line as a process of its own."""
    return finished(spawn(*words, cwd=cwd))


@contextmanager
def serving(*words: str, cwd: Path) -> Generator[str]:
    """A server on a free port, ended with SIGTERM; its URL."""
    process = spawn("serve", "--port", "0", "--json", *words, cwd=cwd)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate(timeout=10)
        yield json.loads(line)["data"]["url"]
    finally:
        process.terminate()
        assert finished(process).code == 0


@contextmanager
def _restored() -> Generator[None]:
    """A call leaves neither loggers nor the import path changed."""
    engine, workflow = logging.getLogger("perdure"), logging.getLogger("perdure.workflow")
    handlers, propagate, levels = engine.handlers, engine.propagate, (engine.level, workflow.level)
    path = list(sys.path)
    try:
        yield
    finally:
        engine.handlers, engine.propagate = handlers, propagate
        engine.setLevel(levels[0])
        workflow.setLevel(levels[1])
        sys.path[:] = path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given_database(here: Path) -> None:
    """A hub with nothing in it, where the command line looks for one: a copy is quicker than making it."""
    path = here / ".perdure" / "perdure.db"
    path.parent.mkdir()
    path.write_bytes(new_database())
