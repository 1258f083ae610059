"""Runs the examples of docs/http-api.md, in order, against a server of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from perdure.engine import errors
from tests.blocks import blocks
from tests.checkout import ROOT
from tests.server.served import given_process

PAGE = ROOT / "docs" / "http-api.md"
URL = "http://127.0.0.1:7410"


def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    """Every request that the page shows is answered with success, in the order of the page."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, and the page's examples use it")
    examples = [block for block in blocks(PAGE) if block.language == "bash"]
    with given_process(tmp_path) as (_, url):
        for example in examples:
            command = ["bash", "-euo", "pipefail", "-c", example.text.replace(URL, url)]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{example.place}\n{done.stdout}{done.stderr}"


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
