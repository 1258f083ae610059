"""A hub's database: ``protocol`` says what it promises, ``open_store`` opens one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perdure.engine.errors import UserError
from perdure.engine.store.protocol import Store

_SQLITE = "sqlite:///"


def open_store(url: str, **options: Any) -> Store:
    """Open the store that a URL names, and create it if it is not there.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, or ``sqlite://`` and ``memory://`` for one that
    ends with the process. Options are those of the store's class. Raises ``UserError`` for another URL.
    """
    if url in {"memory://", "sqlite://", _SQLITE, f"{_SQLITE}:memory:"}:
        from perdure.engine.store.memory import MemoryStore

        return MemoryStore(**options)
    if url.startswith(_SQLITE):
        from perdure.engine.store.sqlite import SqliteStore

        path = Path(url.removeprefix(_SQLITE)).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteStore(path, **options)
    scheme = url.partition(":")[0]
    if scheme.partition("+")[0] in {"postgres", "postgresql"}:
        raise UserError("postgresql is not supported yet.", hint="use sqlite:///FILE")
    raise UserError(f"There is no store for {url!r}.", hint="use sqlite:///FILE, or memory:// for a test")
