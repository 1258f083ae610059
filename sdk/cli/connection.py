"""What the management commands talk to: a database, or a server with the same methods."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from perdure.cli.console import Console
from perdure.cli.failures import UNREACHABLE, Stop
from perdure.cli.finding import similar
from perdure.cli.settings import settings
from perdure.engine.store.protocol import Store

if TYPE_CHECKING:
    from perdure.engine.errors import PerdureError


class Hub(Protocol):
    """The methods that the engine's client and the HTTP client share."""

    def start(
        self,
        workflow: str,
        input: Any = None,
        *,
        id: str | None = None,
        tags: dict[str, str] | None = None,
        if_exists: str = "reject",
        start_at: str | None = None,
        delay: float | None = None,
        event: str | None = None,
        payload: Any = None,
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
        query: str | None = None,
        sort: str | None = None,
        chunks: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]: ...

    def payload(self, instance_id: str, key: str, /) -> Any: ...

    def history(
        self,
        instance_id: str,
        /,
        *,
        generation: int | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> dict[str, Any]: ...

    def statistics(self, instance: str, /) -> dict[str, Any]: ...

    def dead_letters(
        self, instance: str | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]: ...

    def dead_letter(self, number: int, /) -> dict[str, Any]: ...

    def retry_dead_letter(self, number: int, /, *, request_key: str | None = None) -> dict[str, Any]: ...

    def discard_dead_letter(self, number: int, /, *, request_key: str | None = None) -> dict[str, Any]: ...

    def audit(
        self,
        *,
        target: str | None = None,
        action: str | None = None,
        actor: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]: ...

    def entities(
        self,
        *,
        type: str | None = None,
        key_prefix: str = "",
        updated_from: str | None = None,
        updated_to: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]: ...

    def entity(self, entity: str, /) -> dict[str, Any]: ...

    def call_entity(
        self,
        entity: str,
        operation: str,
        /,
        input: Any = None,
        *,
        timeout: float | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any] | None: ...

    def signal_entity(
        self,
        entity: str,
        operation: str,
        /,
        input: Any = None,
        *,
        at: str | None = None,
        request_key: str | None = None,
    ) -> None: ...

    def delete_entity(
        self, entity: str, /, *, reason: str | None = None, request_key: str | None = None
    ) -> dict[str, Any]: ...

    def schedules(self) -> dict[str, Any]: ...

    def schedule(self, schedule_id: str, /) -> dict[str, Any]: ...

    def pause_schedule(self, schedule_id: str, /) -> dict[str, Any]: ...

    def resume_schedule(self, schedule_id: str, /) -> dict[str, Any]: ...

    def backfill_schedule(self, schedule_id: str, begin: str, end: str, /) -> dict[str, Any]: ...

    def trigger_schedule(self, schedule_id: str, /, *, request_key: str | None = None) -> dict[str, Any]: ...

    def definition(self, name: str, version: str | None = None) -> dict[str, Any]: ...

    def definitions(self, name: str | None = None) -> list[dict[str, Any]]: ...

    def activate(self, name: str, version: str) -> dict[str, Any]: ...

    def retire(self, name: str, version: str) -> dict[str, Any]: ...

    def workers(self) -> list[dict[str, Any]]: ...

    def drain_worker(self, worker: str, /) -> dict[str, Any]: ...

    def waiting(self, instance_id: str, /) -> list[dict[str, Any]]: ...

    def query(self, instance_id: str, name: str, /) -> Any: ...

    def create_key(self, name: str, role: str, *, expires: float | None = None) -> dict[str, Any]: ...

    def keys(self) -> list[dict[str, Any]]: ...

    def revoke_key(self, name: str) -> dict[str, Any]: ...

    def queues(self) -> list[dict[str, Any]]: ...

    def stats(self) -> dict[str, Any]: ...

    def set_queue(self, name: str, rate: str | None) -> dict[str, Any]: ...

    def complete_token(self, token: str, result: Any = None) -> dict[str, Any]: ...

    def fail_token(
        self, token: str, error: str, message: str = "", *, data: Any = None, retryable: bool = True
    ) -> dict[str, Any]: ...

    def raise_event(
        self, instance_id: str, name: str, /, payload: Any = None, *, request_key: str | None = None
    ) -> None: ...

    def publish(
        self,
        name: str,
        /,
        payload: Any = None,
        *,
        start: str | None = None,
        request_key: str | None = None,
    ) -> list[str]: ...

    def suspend(
        self, instance_id: str, /, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]: ...

    def resume(
        self, instance_id: str, /, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]: ...

    def cancel(
        self, instance_id: str, /, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]: ...

    def terminate(
        self, instance_id: str, /, reason: str | None = None, *, request_key: str | None = None
    ) -> dict[str, Any]: ...

    def migrate(
        self,
        instance_id: str,
        version: str,
        /,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        request_key: str | None = None,
    ) -> dict[str, Any]: ...

    def rewind(
        self,
        instance_id: str,
        /,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        request_key: str | None = None,
    ) -> dict[str, Any]: ...

    def fork(
        self,
        instance_id: str,
        step: str,
        /,
        *,
        id: str | None = None,
        version: str | None = None,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any]: ...

    def restart(
        self,
        instance_id: str,
        /,
        input: Any = ...,
        *,
        version: str | None = None,
        id: str | None = None,
        new_id: bool = False,
        terminate: bool = False,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any]: ...

    def resolve(
        self,
        instance_id: str,
        step: str,
        /,
        output: Any = None,
        *,
        error: dict[str, Any] | None = None,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> dict[str, Any]: ...

    def purge(
        self, instance_id: str, /, *, leave_running: bool = False, reason: str | None = None
    ) -> dict[str, Any]: ...

    def purge_many(
        self,
        *,
        statuses: Sequence[str] = (),
        name: str | None = None,
        tags: dict[str, str] | None = None,
        older_than: float | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]: ...


@contextmanager
def open_store(url: str, **options: Any) -> Generator[Store]:
    """The store of a database, closed in the end. Raises ``Stop`` when it cannot be opened.

    Those who only look pass ``create=False``: a database of a misspelt name must not look like an empty hub.
    """
    from perdure.engine.errors import NotFound, PerdureError
    from perdure.engine.store import open_store as opened

    try:
        store = opened(url, **options)
    except NotFound as error:
        error.hint = _other_database(url)
        raise
    except PerdureError:
        raise
    except OSError as error:
        raise Stop(
            UNREACHABLE, "unreachable", f"cannot open the database {shown(url)}: {error.strerror}"
        ) from None
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_hub(ctx: click.Context, *, create: bool = False) -> Generator[Hub]:
    """What ``--server`` or ``--db`` names. A database that is not there is created only if that is said."""
    said = settings(ctx)
    db, server = said.target()
    with told_where(ctx):
        if server is not None:
            from perdure.client import Client as Remote

            remote = Remote(server, actor=said.acting(), key=os.environ.get("PERDURE_KEY") or None)
            try:
                yield remote
            finally:
                remote.close()
            return
        from perdure.engine.client import Client

        with open_store(db, create=create) as store:
            client, actor = Client(store), said.acting()
            yield client if actor is None else client.acting(actor)


@contextmanager
def told_where(ctx: click.Context) -> Generator[None]:
    """An error that may be due to looking in the wrong place says which one it was."""
    from perdure.engine.errors import PerdureError

    try:
        yield
    except PerdureError as error:
        tell_where(ctx, error)
        raise


def tell_where(ctx: click.Context, error: PerdureError) -> None:
    """Add the place that was looked in to an error's hint, where that helps."""
    from perdure.engine.errors import NotFound

    said = settings(ctx)
    db, server = said.target()
    if isinstance(error, NotFound) and error.hint is None:
        error.hint = f"looked in {shown(db if server is None else server)}"
    elif error.code == "unreachable" and server is not None and said.server is None:
        error.hint = "the address comes from the environment variable PERDURE_SERVER" + (
            f"; {error.hint}" if error.hint else ""
        )


def unknown_definition(hub: Hub, name: str) -> str:
    """What to say of the name of a definition that is not there."""
    from perdure.engine.errors import NotFound

    try:
        hub.definition(name)
    except NotFound as error:
        return f"{error}\n  hint: {error.hint}"
    return f"there is a definition {name!r} by now"


def _other_database(url: str) -> str:
    """What to do where there is no hub."""
    file = Path(url.removeprefix("sqlite:///")).expanduser()
    if url.startswith("sqlite:///") and not file.exists():
        near = similar(file)
        # What lies beside a database has nearly its name.
        if near is not None and near.endswith(file.suffix):
            return f"did you mean --db sqlite:///{near}?"
    return "--db or PERDURE_DB names another one; serve, worker, run and deploy make one"


def failed_at(hub: Hub, instance: dict[str, Any]) -> str | None:
    """``file:line:column`` of the step that an instance failed of, if it has."""
    from perdure.cli.texts import place_text
    from perdure.engine.errors import NotFound

    if not (instance["error"] or {}).get("path"):
        return None
    try:
        return place_text(hub.statistics(instance["id"])["failed"])
    except NotFound:  # purged meanwhile
        return None


def note_unserved(hub: Hub, out: Console, what: str, ids: Sequence[str]) -> None:
    """Say that ``what`` has to wait for a process, when none takes turns on this database."""
    if not any(each["turns"] for each in hub.workers()):
        name = ids[0] if len(ids) == 1 else "..."
        out.note(
            f"no process works on this database; {what} when one does"
            f" (perdure serve, or perdure run FILE --id {name})"
        )


def shown(url: str) -> str:
    """The URL without its password."""
    from perdure.engine.store.urls import shown as without_password

    return without_password(url)
