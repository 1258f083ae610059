"""What the management commands talk to: a database, or a server with the same methods."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click

from perdure.cli.failures import UNREACHABLE, Stop
from perdure.cli.settings import settings
from perdure.engine.store.protocol import Store


class Hub(Protocol):
    """The methods that the engine's client and the HTTP client share."""

    def start(
        self,
        workflow: str,
        input: Any = None,
        *,
        id: str | None = None,
        tags: dict[str, str] | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any]: ...

    def instance(self, instance_id: str, /) -> dict[str, Any]: ...

    def wait(self, instance_id: str, /, timeout: float | None = None) -> dict[str, Any]: ...

    def instances(
        self,
        *,
        statuses: Sequence[str] = (),
        name: str | None = None,
        tags: dict[str, str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]: ...

    def history(
        self,
        instance_id: str,
        /,
        *,
        generation: int | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> dict[str, Any]: ...

    def waiting(self, instance_id: str, /) -> list[dict[str, Any]]: ...

    def raise_event(
        self, instance_id: str, name: str, /, payload: Any = None, *, request_key: str | None = None
    ) -> None: ...

    def suspend(
        self, instance_id: str, /, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]: ...

    def resume(
        self, instance_id: str, /, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]: ...

    def terminate(
        self, instance_id: str, /, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]: ...


@contextmanager
def open_store(url: str) -> Generator[Store]:
    """The store of a database, closed in the end. Raises ``Stop`` when it cannot be opened."""
    from perdure.engine.errors import PerdureError
    from perdure.engine.store import open_store as opened

    try:
        store = opened(url)
    except PerdureError:
        raise
    except OSError as error:
        raise Stop(UNREACHABLE, "unreachable", f"cannot open the database {url}: {error.strerror}") from None
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_hub(ctx: click.Context) -> Generator[Hub]:
    """What ``--server`` or ``--db`` names."""
    db, server = settings(ctx).target()
    if server is not None:
        from perdure.client import Client as Remote

        remote = Remote(server)
        try:
            yield remote
        finally:
            remote.close()
        return
    from perdure.engine.client import Client

    with open_store(db) as store:
        yield Client(store)
