"""The examples other than inventory: each does what its page says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perdure.cli.settings import DEFAULT_DB
from perdure.engine.client import Client
from perdure.engine.store import open_store
from tests.checkout import ROOT
from tests.sdk.cli.program import Answer, perdure

WORKFLOWS = ROOT / "workflows"
EXAMPLES = sorted(path.parent.name for path in WORKFLOWS.glob("*/*.perdure.yaml"))
LINES = '[{"sku": "tea", "quantity": 2, "price": 4.5}]'


def run(example: str, *words: str) -> Answer:
    """``perdure run`` of an example."""
    return perdure("run", str(WORKFLOWS / example / f"{example}.perdure.yaml"), *words)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_complete(example: str) -> None:
    """Each has its workflow with a modeline, its activities and its page, and validates."""
    folder = WORKFLOWS / example
    workflow = folder / f"{example}.perdure.yaml"
    first = workflow.read_text().splitlines()[0]
    assert (folder / first.partition("$schema=")[2]).resolve().is_file()
    assert {each.name for each in folder.iterdir()} >= {"activities.py", "README.md"}
    assert perdure("validate", str(workflow)).code == 0


def ledger(here: Path) -> list[str]:
    """The keys of the shop's ledger, in order."""
    return [json.loads(line)["key"] for line in (here / "order-ledger.jsonl").read_text().splitlines()]


def test_an_order_is_charged_once(here: Path) -> None:
    """The bank fails twice, the charge is tried again, and the ledger has it once."""
    answer = run("order", "--id", "o", "-i", "order=A-7", "-i", f"lines={LINES}", "-i", "outages=2")
    assert json.loads(answer.out) == {"order": "A-7", "receipt": "R-A-7", "shipment": "S-A-7"}
    assert "(attempt 3)" in answer.err
    assert ledger(here) == ["charge-A-7", "shipment-A-7"]


def test_a_second_instance_of_an_order_books_nothing(here: Path) -> None:
    """Business keys hold over instances: the same order again gives the same answer."""
    answers = [run("order", "-i", "order=A-7", "-i", f"lines={LINES}").out for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(ledger(here)) == 2


def test_a_declined_card_is_not_tried_again(here: Path) -> None:
    """The policy leaves CardDeclined out, so the order fails at the first attempt."""
    dear = LINES.replace("4.5", "9000")
    answer = run("order", "-i", "order=A-7", "-i", f"lines={dear}", "--json")
    error = answer.document["error"]["details"]["error"]
    assert (answer.code, error["type"], error["attempt"]) == (1, "CardDeclined", 1)
    assert not (here / "order-ledger.jsonl").exists()


@pytest.mark.parametrize(("answer", "output"), [("true", "Approved"), ("false", "Rejected")])
def test_an_approval_is_answered(answer: str, output: str, here: Path) -> None:
    """An answer sent while nobody runs the workflow is there when it goes on."""
    assert run("approval", "--id", "a", "-i", "subject=holiday", "--timeout", "500ms").code == 124
    assert perdure("events", "send", "a", "ApprovalResponse", "--data", answer).code == 0
    assert json.loads(run("approval", "--id", "a").out) == output


def test_silence_is_an_answer(here: Path) -> None:
    """After the timeout of the input the approval is TimedOut."""
    answer = run("approval", "-i", "subject=holiday", "-i", "timeout=20ms")
    assert json.loads(answer.out) == "TimedOut"


def test_a_monitor_counts_every_reading_once(here: Path) -> None:
    """Readings that one round does not take are carried into the next: none is lost, none counts twice."""
    words = ("--id", "m", "-i", "target=.", "-i", "rounds=2", "-i", "interval=1h")
    assert run("monitor", *words, "--timeout", "300ms").code == 124
    store = open_store(DEFAULT_DB)
    for number in range(200):
        Client(store).raise_event("m", "Reading", number)
    store.close()
    assert json.loads(run("monitor", *words).out) == {"iterations": 2, "seen": 200, "present": 2}


@pytest.mark.slow
def test_a_monitor_stays_small(here: Path) -> None:
    """A thousand generations leave a history as short as that of one."""
    answer = run("monitor", "--id", "m", "-i", "target=.", "-i", "rounds=1000", "-i", "interval=1ms", "-q")
    assert json.loads(answer.out) == {"iterations": 1000, "seen": 0, "present": 1000}
    assert len(perdure("history", "m", "--json").data) < 20
    assert perdure("show", "m", "--json").data["generation"] == 1000
