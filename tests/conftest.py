"""What holds for every test: no setting leaks in from outside, and hypothesis is patient and reproducible."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import measuring

if TYPE_CHECKING:
    from tests.postgres import Server

# Helper modules beside the tests assert too; their failures should show the values.
for directory in Path(__file__).parent.iterdir():
    if directory.is_dir():
        pytest.register_assert_rewrite(f"tests.{directory.name}")

# A developer's own configuration must not reach a test; PERDURE_TEST_* names the services that tests may use,
# PERDURE_CEL_ROWS the rows that tests/conformance runs.
for name in [
    name for name in os.environ if name.startswith("PERDURE_") and not name.startswith("PERDURE_TEST_")
]:
    if name != "PERDURE_CEL_ROWS":
        del os.environ[name]

# How long an example takes says more about the machine than about the code, so there is no deadline.
hypothesis.settings.register_profile("perdure", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "perdure")

# A shell has all that it starts in the background ignore Ctrl-C, which tests send to processes of theirs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEASURING = measuring.begun()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a measured run count what this test reaches, or not; and leave every logger as it was.

    A command that a test calls in this process sends what is logged elsewhere, and a harness silences it: a
    later test would look for it in vain.
    """
    if MEASURING is not None:
        MEASURING.turn_to(item.path)
    before = {each: (each.level, each.handlers[:], each.propagate, each.disabled) for each in _loggers()}
    try:
        return (yield)
    finally:
        for each in _loggers():
            # One that this test was the first to name begins as if nobody had.
            level, handlers, propagate, disabled = before.get(each, (logging.NOTSET, [], True, False))
            if each.level != level:
                each.setLevel(level)
            each.handlers, each.propagate, each.disabled = handlers, propagate, disabled


def _loggers() -> list[logging.Logger]:
    return [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The PostgreSQL of this test process."""
    from tests.postgres import running

    with running() as server:
        yield server
