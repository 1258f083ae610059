"""The live tree: what it draws at each moment of an instance, and that a real terminal gets it."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

import perdure
from perdure.cli.fold import Line, folded
from perdure.cli.follower import Follower
from perdure.cli.texts import span_text
from perdure.cli.tree import ASCII, UNICODE, Tree
from perdure.compiler.build import build
from perdure.dsl import Source
from perdure.engine.activities import ActivityError, Registry
from perdure.engine.client import Client
from perdure.engine.store.memory import MemoryStore
from perdure.engine.worker import Worker
from tests.sdk.cli.program import ENVIRONMENT, PERDURE

HEADER = "dsl: perdure/1\nname: case\nversion: 1.0.0\nevents:\n  Go: {}\ndo:\n"
FAN_OUT = HEADER + "  - all: { fan_out: [1, 2, 3], each: n, do: [{ one: { call: Add, with: '${ n }' } }] }\n"
FAILING = HEADER + "  - bad: { call: Fail }\n  - after: { call: Add, with: 1 }\n"
WAITING = HEADER + "  - gone: { wait_for_event: Go, timeout: never }\n"
LATE = HEADER + "  - gone: { wait_for_event: Go, timeout: 1ms, on_timeout: [] }\n  - pause: { wait: 1h }\n"
LONG = (
    HEADER + "".join(f"  - n{n}: {{ call: Add, with: {n} }}\n" for n in range(40)) + "  - end: { wait: 1h }\n"
)
UNDO = "{ call: Add, with: 2 }"
UNDOING = (
    HEADER + f"  - s: {{ saga: [ a: {{ call: Add, with: 1, compensate: {UNDO} }}, b: {{ call: Fail }} ] }}\n"
)
PAUSING = HEADER + "  - pause: { wait: 1h }\n"
ASKING = (
    HEADER
    + "  - sum: { call_entity: Counter@a, op: add, with: 2 }\n"
    + "  - less: { call_entity: Counter@a, op: take, with: 9 }\n"
)
RETRYING = HEADER + "  - bad: { call: Again, retry: { attempts: 2, delay: 1h } }\n"


def _fail() -> None:
    raise ActivityError("no")


@perdure.entity("Counter")
class _Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    def take(self, amount: int) -> None:
        raise ActivityError(f"{amount} are too many", type="TooFew")


def _registry() -> Registry:
    registry = Registry()
    registry.add_entity(_Counter)
    registry.add("Add", lambda n: n + 1)
    registry.add("Fail", _fail)
    registry.add("Again", _fail)
    return registry


def drawn(text: str, *, until: str, room: int | None = None) -> str:
    """The tree of an instance, drawn once ``until`` stands in it; with ``room``, folded to that height."""
    (built,) = build(Source("case.yaml", text)).workflows
    store = MemoryStore()
    with Worker(store, _registry()) as worker:
        client = Client(store, worker)
        client.run(built.program, id="x")
        follower, tree, shown = Follower(store, "x"), Tree(store, None, UNICODE), ""
        for _ in range(400):
            for happened in follower.advance():
                tree.take(happened)
            if follower.machine is not None:
                shown = tree.drawn(follower.machine, store.time(), room).plain
            if until in shown:
                break
            client.wait("x", 0.05)
    store.close()
    return shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (FAN_OUT, "  ✔ all 3/3\n    ✔ one x3"),
        (FAN_OUT.replace("each: n", "each: n, chunk: 2"), "  ✔ all 3/3\n    ✔ one"),
        (FAILING, "  ✖ bad ActivityError: no\n  ⊘ after not run"),
        (WAITING, '  ◷ gone (event "Go")'),
        (LATE, "  ◷ gone timed out\n  ◷ pause"),
        (PAUSING, "  ◷ pause (timer, 59 m"),
        (UNDOING, "\n    ✔ undo a "),
        (ASKING, "  ✔ sum "),
        (ASKING, "  ✖ less TooFew"),
        (RETRYING, "  ↻ bad again in 59 m"),
    ],
)
def test_every_state_has_a_glyph_and_a_word(text: str, line: str) -> None:
    """Done, failed, not run, waiting and retrying look different without any colour."""
    assert line in drawn(text, until=line)


def test_a_tall_tree_shows_what_runs() -> None:
    """Where the terminal is lower than the tree, steps that are done are counted on one line."""
    lines = drawn(LONG, until="◷ end", room=5).splitlines()
    assert lines[1] == "  ✔ 38 steps done"
    assert [line.split()[1] for line in lines[2:]] == ["n38", "n39", "end"]


def test_folding_keeps_what_is_active_or_failed() -> None:
    """Active steps go before failed ones, those before the rest; what is left out is counted."""
    states = ["done"] * 10 + ["failed"] + ["done"] * 5 + ["running"] + [""] * 9
    lines = [Line(state, "", str(index)) for index, state in enumerate(states)]
    assert [line.words for line in folded(lines, 4)] == [" 15 steps done", "10", "16", " 9 steps to come"]
    assert [line.words for line in folded(lines, 3)] == [
        " 15 steps done",
        "16",
        " 1 step more failed, 9 steps to come",
    ]
    assert folded(lines, len(lines)) == lines


def test_each_state_has_an_ascii_glyph() -> None:
    """Where the encoding has no signs, letters stand for them, one for each."""
    assert ASCII.keys() == UNICODE.keys()
    assert len(set(ASCII.values())) == len(ASCII)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (-5, "0 ms"),
        (182_000, "182 ms"),
        (2_100_000, "2.1 s"),
        (185_000_000, "3 m 05 s"),
        (7_800_000_000, "2 h 10 m"),
        (273_600_000_000, "3 d 04 h"),
    ],
)
def test_spans_read_well(microseconds: int, text: str) -> None:
    """A stretch of time is told in the two units that matter."""
    assert span_text(microseconds) == text


@pytest.mark.slow
def test_a_terminal_gets_the_tree(tmp_path: Path) -> None:
    """On a terminal stderr has the tree, while stdout stays the output alone."""
    (tmp_path / "case.perdure.yaml").write_text(HEADER + "  - pause: { wait: 1ms }\n  - return: 5\n")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [PERDURE, "run", "case.perdure.yaml", "--id", "one"],
        cwd=tmp_path,
        env={**os.environ, **ENVIRONMENT, "TERM": "xterm", "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    out, _ = process.communicate(timeout=60)
    os.close(terminal)
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    assert out == "5\n"
    assert "case@1.0.0 one" in shown
    assert "✔ pause" in shown
