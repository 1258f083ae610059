"""The two clients that people have, unchanged, against a server of ours.

``PERDURE_TEST_AZURE_PYTHON`` names a Python that has ``azure-functions-durable`` 1.x, and
``PERDURE_TEST_AZURE_NODE`` a ``node_modules`` that has ``durable-functions`` 3.x. Where they are missing
these tests are skipped; ``.ci/run`` installs both.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from tests.sdk.cli.program import call, serving
from tests.server.durabletask.definitions import COUNTER, GREET

PYTHON = os.environ.get("PERDURE_TEST_AZURE_PYTHON")
NODE = os.environ.get("PERDURE_TEST_AZURE_NODE")
HERE = Path(__file__).parent
HISTORY = ["ExecutionStarted", "ExecutionCompleted", "EventRaised", "TaskCompleted"]
"""What is first and last, and what may come in either order between."""
LINKS = {
    "id",
    "statusQueryGetUri",
    "sendEventPostUri",
    "terminatePostUri",
    "purgeHistoryDeleteUri",
    "restartPostUri",
    "suspendPostUri",
    "resumePostUri",
    "rewindPostUri",
}
ACTIVITIES = """\
import perdure


@perdure.activity
def Say(value):
    if value == "bad":
        raise ValueError("it is bad")
    return f"hi {value}"
"""


@pytest.fixture
def url(tmp_path: Path) -> Generator[str]:
    """A server as users start it, with the workflow and the entity."""
    (tmp_path / "activities.py").write_text(ACTIVITIES)
    (tmp_path / "greet.perdure.yaml").write_text(GREET)
    (tmp_path / "counter.perdure.yaml").write_text(COUNTER)
    with serving(cwd=tmp_path) as found:
        files = ["greet.perdure.yaml", "counter.perdure.yaml"]
        assert call("deploy", "--server", found, *files, cwd=tmp_path).code == 0
        yield found


@pytest.fixture
def key(url: str, tmp_path: Path) -> str:
    """A key, without which the server answers nobody from now on."""
    made = call("keys", "create", "azure", "--role", "admin", "--server", url, cwd=tmp_path)
    assert made.code == 0
    return made.out.strip()


def driven(*command: str, **environment: str) -> dict[str, Any]:
    """What the client has seen."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=110, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def check_common(seen: dict[str, Any]) -> None:
    """What both clients do alike."""
    assert seen["completed"] == {"said": "hi {'a': [1, None, 'é']}", "went": {"b": 2}}
    assert seen["input"] == {"a": [1, None, "é"]}
    first, *between, last = seen["history"]
    assert [first, last, *sorted(between)] == HISTORY
    assert seen["resumed"] == {"step": "begun"}
    assert "An Orchestration instance with the status Running already exists." in seen["in use"]
    assert seen["terminated"] == "it is enough"
    assert seen["failed"] == "ValueError: it is bad"
    assert "there is no definition 'Nope'" in seen["no definition"]
    assert seen["rewound wrongly"]
    assert seen["all"] == ["p-1", "p-2"]
    assert seen["by filter"] == ["p-2"]
    assert seen["entity"] == [True, 8]
    assert seen["no entity"] is False
    assert set(seen["links"]) == LINKS
    assert seen["purged"] == [1, 0, 1, 0]


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="PERDURE_TEST_AZURE_PYTHON names no Python with the client")
def test_the_python_client_works_unchanged(url: str) -> None:
    """All that it offers, under the prefix that it uses."""
    seen = driven(str(PYTHON), str(HERE / "drive.py"), url)
    check_common(seen)
    assert seen["gone"] == "Instance with ID p-1 is gone: either completed or failed"
    assert seen["restarted"]["id"] == "p-2"
    assert seen["nobody"] is False
    assert seen["waited"] == [500, "ValueError: it is bad"]
    assert seen["replaced"]


@pytest.mark.slow
@pytest.mark.skipif(
    NODE is None or which("node") is None,
    reason="PERDURE_TEST_AZURE_NODE names no node_modules with the client",
)
@pytest.mark.parametrize("prefix", ["public", "rpc"])
def test_the_javascript_client_works_unchanged(url: str, prefix: str) -> None:
    """All that it offers, under both prefixes."""
    rpc = ["rpc"] if prefix == "rpc" else []
    seen = driven("node", str(HERE / "drive.js"), url, str(NODE), *rpc)
    check_common(seen)
    assert "could not find any data" in seen["nobody"]
    assert seen["waited"] == 500


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="PERDURE_TEST_AZURE_PYTHON names no Python with the client")
def test_the_python_client_shows_a_key(url: str, key: str) -> None:
    """It has no place for one, so the binding gives it all that it needs."""
    check_common(driven(str(PYTHON), str(HERE / "drive.py"), url, PERDURE_KEY=key))


@pytest.mark.slow
@pytest.mark.skipif(
    NODE is None or which("node") is None,
    reason="PERDURE_TEST_AZURE_NODE names no node_modules with the client",
)
@pytest.mark.parametrize("prefix", ["public", "rpc"])
def test_the_javascript_client_shows_a_key(url: str, key: str, prefix: str) -> None:
    """Under both prefixes."""
    rpc = ["rpc"] if prefix == "rpc" else []
    check_common(driven("node", str(HERE / "drive.js"), url, str(NODE), *rpc, PERDURE_KEY=key))
