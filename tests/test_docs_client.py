"""``docs/http-api.md`` has every method of ``perdure.Client``."""

from __future__ import annotations

from perdure.client import Client
from tests.client_page import BEGIN, END, table
from tests.http_page import PAGE


def test_the_table_has_every_method() -> None:
    """``python -m tests.client_page`` writes it."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0] == table()
    assert "| `start(workflow, ...)` |" in page
    own = [name for name, each in vars(Client).items() if callable(each) and not name.startswith("_")]
    assert [name for name in own if f"| `{name}(" not in page] == []
