"""A hub's database: ``protocol`` says what it promises, ``open_store`` opens one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perdure.engine.errors import NotFound, UserError
from perdure.engine.store.protocol import Store
from perdure.engine.store.urls import shown

_SQLITE = "sqlite:///"


def open_store(url: str, *, create: bool = True, **options: Any) -> Store:
    """Open the store that a URL names, and ``create`` it if it is not there.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://USER@HOST/DATABASE?schema=NAME``, or
    ``sqlite://`` and ``memory://`` for one that ends with the process. Options are those of the store's
    class. Raises ``NotFound`` for one that is not there and is not to be created, ``UserError`` for another
    URL.
    """
    if url in {"memory://", "sqlite://", _SQLITE, f"{_SQLITE}:memory:"}:
        from perdure.engine.store.memory import MemoryStore

        return MemoryStore(**options)
    if url.startswith(_SQLITE):
        from perdure.engine.store.sqlite import SqliteStore

        path = Path(url.removeprefix(_SQLITE)).expanduser()
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise NotFound(f"there is no database {path}")
        return SqliteStore(path, create=create, **options)
    if url.partition(":")[0].partition("+")[0] in {"postgres", "postgresql"}:
        try:
            from perdure.engine.store.postgres import PostgresStore
        except ImportError as error:
            if (error.name or "").partition(".")[0] != "psycopg":
                raise
            raise UserError(
                "A hub in PostgreSQL needs the driver psycopg.", hint="pip install 'perdure[postgres]'"
            ) from error

        return PostgresStore(url, create=create, **options)
    hint = "use sqlite:///FILE or postgresql://HOST/DATABASE, or memory:// for a test"
    if ":" not in url or url.startswith("sqlite://"):
        hint = f"did you mean {_SQLITE}{url.removeprefix('sqlite://')}? Else {hint}"
    raise UserError(f"There is no store for {shown(url)!r}.", hint=hint)
