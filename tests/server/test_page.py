"""Runs the examples of docs/http-api.md, in order, against a server of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from perdure.engine import errors
from perdure.engine.store import open_store
from perdure.server.app import OPERATIONS
from tests.blocks import blocks
from tests.checkout import ROOT
from tests.engine.letters import given_letters
from tests.http_examples import ACTIVITIES, EXAMPLES
from tests.http_page import BEGIN, written
from tests.server.served import given_process

PAGE = ROOT / "docs" / "http-api.md"
URL = "http://127.0.0.1:7410"


def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    """Every request that the page shows is answered with success, in the order of the page."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, and the page's examples use it")
    examples = [block for block in blocks(PAGE) if block.language == "bash"]
    script = "".join(f"echo '>>> {each.place}'\n{each.text}\n" for each in examples)
    (tmp_path / "activities.py").write_text(ACTIVITIES, encoding="utf-8")
    with given_process(tmp_path) as (_, url):
        with closing(open_store(f"sqlite:///{tmp_path / 'hub.db'}")) as store:
            given_letters(store, "kept", "kept")
        command = ["bash", "-euo", "pipefail", "-c", script.replace(URL, url)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        last = done.stdout.rpartition(">>> ")[2]
        assert done.returncode == 0, f"{last}\n{done.stderr}"


def test_every_route_has_an_example() -> None:
    """And none is there twice, or for what is no route."""
    assert set(EXAMPLES) == {f"{each.method} {each.path}" for each in OPERATIONS}


def test_the_routes_are_what_the_document_says() -> None:
    """`python -m tests.http_page` writes them."""
    begun = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert begun[1] + begun[2] == written()


def test_the_page_names_every_code() -> None:
    """The page names every code of the engine that a request can meet, and of the server."""
    page = PAGE.read_text(encoding="utf-8")
    sources = "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "server").rglob("*.py")))
    raised = set(re.findall(r'Problem\(\s*\d{3}, "(\w+)"', sources))
    engine = "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "engine").rglob("*.py")))
    raised |= set(re.findall(r'\.code = "(\w+)"', engine + sources))
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    codes = raised | {each.code for each in kinds if issubclass(each, errors.UserError | errors.StoreError)}
    # Whoever has left before the body was complete reads no answer.
    assert codes - {"disconnected"} <= set(re.findall(r"`(\w+)`", page))
