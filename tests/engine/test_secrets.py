"""Secrets reach the activity, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from perdure.engine.activities import ActivityError, Registry
from perdure.engine.client import Client
from perdure.engine.events import TaskFailed, TaskScheduled
from perdure.engine.secrets import NoSecret, Vault, find, variable
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.driver import Hub, compiled

CANARY = "canary-7f3a99e1"
PAID = """
    do:
      - paid:
          call: Pay
          with: { amount: 3, auth: { token: "${ secret('psp-token') }" } }
          retry: { attempts: 2, delay: 1s }
      - return: ${ paid }
    """


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's environment has the secret."""
    monkeypatch.setenv("PERDURE_SECRET_PSP_TOKEN", CANARY)


def test_the_activity_gets_it(hub: Hub) -> None:
    """In its place among the arguments, which the history has without it."""
    given: list[Any] = []
    hub.activity("Pay", lambda amount, auth: given.append((amount, auth)))
    hub.start(PAID)
    hub.run()
    assert given == [(3, {"token": CANARY})]
    assert hub.scheduled()[0].input == {"amount": 3, "auth": {"token": None}}


def test_it_may_be_the_only_argument(hub: Hub) -> None:
    """Without a map around it."""
    given: list[Any] = []
    hub.activity("Pay", lambda token: given.append(token))  # noqa: PLW0108
    hub.start("do: [ s: { call: Pay, with: \"${ secret('psp-token') }\" } ]")
    hub.run()
    assert given == [CANARY]


def test_every_item_and_attempt_gets_it(hub: Hub) -> None:
    """The path of an item leads to the same step, and a crash changes nothing."""
    given: list[Any] = []

    def pay(token: str, attempt: int) -> None:
        given.append((token, attempt))

    hub.activity("Pay", pay)
    hub.manual = True
    hub.start(
        """
        do:
          - all:
              fan_out: [1, 2]
              do: [ s: { call: Pay, with: { token: "${ secret('psp-token') }", attempt: "${ item }" } } ]
        """
    )
    hub.run()
    hub.crash()
    hub.manual = False
    hub.run()
    assert given == [(CANARY, 1), (CANARY, 2)]


def test_it_is_looked_up_for_each_attempt(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new value counts at once."""
    given: list[Any] = []

    def pay(amount: int, auth: dict[str, str]) -> str:
        given.append(auth["token"])
        if len(given) == 1:
            raise ConnectionError
        return "paid"

    hub.activity("Pay", pay)
    hub.start(PAID)
    hub.run()
    monkeypatch.setenv("PERDURE_SECRET_PSP_TOKEN", "another")
    hub.advance(2)
    assert given == [CANARY, "another"]


def test_a_worker_without_it_says_so(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, once, and the activity is not called."""
    monkeypatch.delenv("PERDURE_SECRET_PSP_TOKEN")
    hub.activity("Pay", lambda amount, auth: pytest.fail("it was called"))
    hub.start(PAID)
    hub.advance(5)
    error = hub.error()
    assert (error["type"], len(hub.errors()), hub.errors()[0].retryable) == ("perdure.Secret", 1, False)
    assert error["message"] == (
        "this worker has no secret 'psp-token': PERDURE_SECRET_PSP_TOKEN is not set, nor PERDURE_SECRETS_DIR"
    )


def test_errors_are_told_without_it(hub: Hub) -> None:
    """Neither their text nor their data nor their name has it."""

    def pay(amount: int, auth: dict[str, str]) -> None:
        raise ActivityError(f"refused {auth['token']}!", data={"sent": [auth], CANARY: 1}, type=f"E{CANARY}")

    hub.activity("Pay", pay)
    hub.start(PAID)
    hub.advance(5)
    assert hub.errors()[0] == TaskFailed(
        scheduled_seq=1,
        error="E[secret psp-token]",
        message="refused [secret psp-token]!",
        data={"sent": [{"token": "[secret psp-token]"}], "[secret psp-token]": 1},
    )


def test_a_result_is_kept_without_it(hub: Hub) -> None:
    """An activity that gives it back does no harm."""
    hub.activity("Pay", lambda amount, auth: {"request": f"token={auth['token']}"})
    hub.start(PAID)
    hub.run()
    assert hub.output() == {"request": "token=[secret psp-token]"}


def test_no_byte_of_the_database_has_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor a line of a log, whatever goes wrong with it, here or through the table of tasks."""
    caplog.set_level(logging.DEBUG)
    registry = Registry()
    gone: list[str] = []

    def pay(amount: int, auth: dict[str, str]) -> object:
        gone.append(auth["token"])
        if len(gone) % 2:
            raise ValueError(auth)
        return object() if len(gone) == 2 else auth

    registry.add("Pay", pay)
    store = SqliteStore(tmp_path / "hub.db")
    with Worker(store, registry, queues=["money"]) as worker:
        client = Client(store, worker)
        for text in (PAID, PAID.replace("retry:", "queue: money\n          retry:").replace("1s", "10ms")):
            client.wait(client.run(compiled(text.replace("1s", "10ms")).program)["id"], 20)
    store.close()
    assert len(gone) == 4
    assert set(gone) == {CANARY}
    assert CANARY not in caplog.text
    assert [
        file.name for file in tmp_path.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()
    ] == []


def test_what_the_history_decides_has_no_place_for_it() -> None:
    """A decision names neither the secret nor its value."""
    assert not {"secret", "secrets"} & set(TaskScheduled.__struct_fields__)


# -- where it is found ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"), [("psp-token", "PERDURE_SECRET_PSP_TOKEN"), ("a.b_c", "PERDURE_SECRET_A_B_C")]
)
def test_a_variable_is_named_after_it(name: str, wanted: str) -> None:
    """In capitals, with underscores."""
    assert variable(name) == wanted


def test_a_file_holds_it(tmp_path: Path) -> None:
    """Without the line break at its end; a variable comes first."""
    (tmp_path / "psp-token").write_text("from a file\n")
    places = {"PERDURE_SECRETS_DIR": str(tmp_path)}
    assert find("psp-token", places) == "from a file"
    assert find("psp-token", {**places, "PERDURE_SECRET_PSP_TOKEN": ""}) == ""


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", ".hidden", "a/b", ""])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    """Whatever a workflow says."""
    (tmp_path / "in").mkdir()
    (tmp_path / "outside").write_text("x")
    with pytest.raises(NoSecret, match="no file can have this name"):
        find(name, {"PERDURE_SECRETS_DIR": str(tmp_path / "in")})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """With what is wrong with it."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    places = {"PERDURE_SECRETS_DIR": str(tmp_path)}
    with pytest.raises(NoSecret, match="'binary' in PERDURE_SECRETS_DIR: not UTF-8"):
        find("binary", places)
    with pytest.raises(NoSecret, match="'none' in PERDURE_SECRETS_DIR: No such file"):
        find("none", places)


def test_a_short_secret_is_hidden_where_it_stands_alone() -> None:
    """It is part of too many texts; of two that overlap the longer one is hidden."""
    vault = Vault({"pin": "42", "half": "abcd", "whole": "abcdefgh"})
    assert vault.hide(["42", "4200", "abcdefgh abcd"]) == [
        "[secret pin]",
        "4200",
        "[secret whole] [secret half]",
    ]
