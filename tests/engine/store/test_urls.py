from __future__ import annotations

import subprocess
import sys

import pytest

from perdure.engine.errors import StoreError, UserError
from perdure.engine.store import open_store
from perdure.engine.store.urls import postgres_url, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:secret@h1:5432,h2/d?schema=x", "postgresql://u:***@h1:5432,h2/d?schema=x"),
        ("postgresql://u:s:e@cret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:s#e?cret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:secret@h?sslpassword=other", "postgresql://u:***@h?sslpassword=***"),
        ("postgresql://h:5432/d?options=a:b@c", "postgresql://h:5432/d?options=a:b@c"),
        ("postgresql://h/d?user=u&password=secret&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("https://u:secret@h:8080/", "https://u:***@h:8080/"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("hub.db", "hub.db"),
    ],
)
def test_a_password_is_never_shown(url: str, expected: str) -> None:
    """Wherever it stands in the URL."""
    assert shown(url) == expected


def test_a_hub_is_a_schema() -> None:
    """Of whatever name; all parameters that are not ours go to the driver."""
    assert postgres_url("postgres://u@a,b:1/d?schema=Mine&sslmode=require&pooled=true") == (
        "postgresql://u@a,b:1/d?sslmode=require&target_session_attrs=read-write",
        "Mine",
        True,
        None,
    )
    assert postgres_url("postgresql+psycopg:///d?target_session_attrs=any") == (
        "postgresql:///d?target_session_attrs=any",
        "perdure",
        False,
        None,
    )


@pytest.mark.parametrize(
    ("given", "direct", "listens"),
    [
        ("", None, True),
        ("&pooled=true", None, False),
        ("&pooled=true&direct=db.example.com", ("db.example.com", "5432"), True),
        ("&pooled=true&direct=db:5433", ("db", "5433"), True),
        ("&pooled=true&direct=[::1]:5433", ("::1", "5433"), True),
        ("&pooled=true&direct=/run/postgresql", ("/run/postgresql", "5432"), True),
    ],
)
def test_behind_a_pooler_one_listens_to_the_database_itself(
    given: str, direct: tuple[str, str] | None, *, listens: bool
) -> None:
    """If it is said where that is."""
    url = postgres_url(f"postgresql://pool/d?schema=x{given}")
    assert (url.direct, url.can_listen) == (direct, listens)


@pytest.mark.parametrize(
    "query", ["schema=", "schema=pg_hub", f"schema={'x' * 64}", "pooled=yes", "direct=a:b"]
)
def test_what_cannot_be_is_refused(query: str) -> None:
    """Before anything is connected."""
    with pytest.raises(UserError):
        postgres_url(f"postgresql://h/d?{query}")


def test_without_its_driver_postgresql_says_what_to_install() -> None:
    """And SQLite needs none."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from perdure.engine.errors import UserError\n"
        "from perdure.engine.store import open_store\n"
        "open_store('memory://').close()\n"
        "try: open_store('postgresql://u:secret@h/d')\n"
        "except UserError as error: print(error, error.hint)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "A hub in PostgreSQL needs the driver psycopg. pip install 'perdure[postgres]'\n"


def test_an_unknown_url_is_refused_without_its_password() -> None:
    """With a hint at what there is."""
    with pytest.raises(UserError) as caught:
        open_store("mysql://u:secret@h/d")
    assert "secret" not in str(caught.value)
    assert "postgresql://" in str(caught.value.hint)


def test_a_part_of_ours_that_is_missing_is_not_taken_for_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """To install the driver would not help."""
    monkeypatch.setitem(sys.modules, "perdure.engine.store.postgres", None)
    with pytest.raises(ImportError, match=r"perdure\.engine\.store\.postgres"):
        open_store("postgresql://u@h/d")


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    """Nobody listens on that port."""
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://u:secret@127.0.0.1:1/d")
    assert "secret" not in str(caught.value)
