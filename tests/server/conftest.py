"""What many tests of the server begin with."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from tests.server.hub import ECHO, GATE, given_server


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server where ``echo`` and ``gate`` are deployed."""
    with given_server(ECHO, GATE) as client:
        yield client
