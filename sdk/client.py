"""A hub over HTTP, with the methods, documents and errors of the engine's own client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from perdure.dsl import Source
from perdure.engine.definitions import inactive
from perdure.engine.errors import NotFound
from perdure.engine.ids import ordered_id
from perdure.engine.instance import ENDED
from perdure.server.answers import encode_json
from perdure.server.deployments import InvalidDocument, diagnostics_from
from perdure.transport import DEFAULT_URL, JSON, Diagnosed, Document, Transport, Unreachable, quoted

__all__ = ["DEFAULT_URL", "WAIT_SECONDS", "Client", "Unreachable"]

WAIT_SECONDS = 30.0
"""The longest that one request waits; ``wait`` asks again and again."""


class Client:
    """Speaks to the server at ``url``; safe to use from several threads. Close it, or use ``with``.

    Each method raises what the engine's client raises, and ``Unreachable`` when the server does not answer
    or is not perdure. ``actor`` is who acts, for the audit; ``key`` is shown to a server that asks for one,
    which raises ``UserError`` (``unauthorized``, ``forbidden``) when it does not do. ``timeout`` is in
    seconds, for connecting and for each answer; waits have their own. A request whose answer is lost on the
    way is sent once more: every one that changes something carries an ``Idempotency-Key`` (``request_key``,
    or a new one), so the server carries it out once.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeout: float = 30.0,
        actor: str | None = None,
        key: str | None = None,
    ) -> None:
        self._wire = Transport(url, timeout, actor, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    # definitions

    def deploy_source(
        self,
        text: str,
        filename: str,
        *,
        dry_run: bool = False,
        activate: bool = True,
        allow_breaking: bool = False,
        check_replay: bool = False,
    ) -> list[Document]:
        """Deploy every workflow of a file, or none. Raises ``InvalidDocument`` with its diagnostics.

        With ``check_replay`` it is a ``Conflict`` when running instances have decided what it would not.
        """
        flags = {
            "dry_run": dry_run,
            "activate": activate,
            "allow_breaking": allow_breaking,
            "check_replay": check_replay,
        }
        query = {"filename": filename} | {name: "true" if flag else "false" for name, flag in flags.items()}
        headers = {"content-type": "application/yaml"}
        try:
            answer = self._wire.send(
                "POST", "/definitions", query=query, headers=headers, body=text.encode("utf-8", "replace")
            )
        except Diagnosed as error:
            raise InvalidDocument(diagnostics_from(error.diagnostics), Source(filename, text)) from None
        return _items(answer)

    def definitions(self, name: str | None = None) -> list[Document]:
        """Every version of every definition, or of one."""
        path = "/definitions" if name is None else f"/definitions/{quoted(name)}"
        found: list[Document] = []
        query = {"limit": "1000"}
        while True:
            try:
                page = self._wire.send("GET", path, query=query).json()
            except NotFound:
                return []
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    def definition(self, name: str, version: str | None = None) -> Document:
        """One version with its source, the active one by default. Raises ``NotFound``."""
        if version is None:
            versions = _items(self._wire.send("GET", f"/definitions/{quoted(name)}"))
            version = next((each["version"] for each in versions if each["active"]), None)
            if version is None:
                raise inactive(name)
        return self._wire.document("GET", f"/definitions/{quoted(name)}@{quoted(version)}")

    def activate(self, name: str, version: str) -> Document:
        """Make a version what a start without a version means. Raises ``NotFound``."""
        return self._wire.post(f"/definitions/{quoted(name)}@{quoted(version)}/activate", {}, None)

    def retire(self, name: str, version: str) -> Document:
        """Let a version start nothing any more. Raises ``NotFound``."""
        return self._wire.post(f"/definitions/{quoted(name)}@{quoted(version)}/retire", {}, None)

    def compare(self, name: str, old: str, new: str) -> Document:
        """What differs between two versions, and what the second one breaks of the first."""
        return self._wire.document("GET", f"/definitions/{quoted(name)}/diff", {"from": old, "to": new})

    # instances

    def start(
        self,
        workflow: str,
        input: Any = None,
        *,
        id: str | None = None,
        tags: Mapping[str, str] | None = None,
        if_exists: str = "reject",
        start_at: str | None = None,
        delay: float | None = None,
        event: str | None = None,
        payload: Any = None,
        request_key: str | None = None,
    ) -> Document:
        """Start an instance of ``NAME`` or ``NAME@VERSION``; returns its document.

        For an id in use ``if_exists`` is ``reject``, ``reuse`` or ``replace_ended``. It begins at
        ``start_at`` (RFC 3339) or after ``delay`` seconds. An ``event`` is delivered with the start, or to
        the instance that is there.
        """
        body = {"workflow": workflow, "input": input, "id": id, "tags": dict(tags or {})}
        body |= {"if_exists": if_exists, "start_at": start_at}
        if delay is not None:
            body["delay"] = f"{delay * 1000:.0f}ms"
        if event is not None:
            body["event"] = {"name": event, "payload": payload}
        return self._wire.post("/instances", body, request_key)

    def instance(self, instance_id: str) -> Document:
        """The document of an instance. Raises ``NotFound``."""
        return self._wire.document("GET", f"/instances/{quoted(instance_id)}")

    def wait(self, instance_id: str, timeout: float | None = None) -> Document:
        """The instance's document when it has ended, or as it is after ``timeout`` seconds."""
        left = timeout
        while True:
            seconds = WAIT_SECONDS if left is None else min(max(left, 0.0), WAIT_SECONDS)
            answer = self._wire.send(
                "GET",
                f"/instances/{quoted(instance_id)}",
                query={"wait": f"{int(seconds * 1000)}ms"},
                waits=seconds,
            )
            document: Document = answer.json()
            left = None if left is None else left - max(answer.elapsed.total_seconds(), 0.001)
            if document["status"] in ENDED or (left is not None and left <= 0):
                return document

    def instances(
        self,
        *,
        statuses: Sequence[str] = (),
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        query: str | None = None,
        sort: str | None = None,
        chunks: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Document:
        """A page of instances, newest first: ``items``, and ``next``, the cursor of the next page.

        A ``query`` is written as for ``perdure list -Q``; ``sort`` is ``created``, ``ended`` or ``id`` with
        ``:asc`` or ``:desc``. Chunks of a fan-out are left out unless they are asked for.
        """
        asked: dict[str, str | list[str]] = {
            "status": list(statuses),
            "tag": [f"{key}:{value}" for key, value in (tags or {}).items()],
            "limit": str(limit),
            **({} if name is None else {"name": name}),
            **({} if query is None else {"q": query}),
            **({} if sort is None else {"sort": sort}),
            **({"chunks": "true"} if chunks else {}),
            **({} if cursor is None else {"cursor": cursor}),
        }
        return self._wire.document("GET", "/instances", asked)

    def history(
        self,
        instance_id: str,
        *,
        generation: int | None = None,
        types: Sequence[str] = (),
        step: str | None = None,
        failed: bool = False,
        cursor: str | None = None,
        limit: int = 200,
    ) -> Document:
        """A page of an instance's history, oldest first: ``items``, and ``next``.

        Of some ``types`` of events alone, of one ``step`` (its name or its path), or those that ``failed``.
        """
        query: dict[str, str | list[str]] = {
            "limit": str(limit),
            "type": list(types),
            **({} if step is None else {"step": step}),
            **({"failed": "true"} if failed else {}),
            **({} if generation is None else {"generation": str(generation)}),
            **({} if cursor is None else {"cursor": cursor}),
        }
        return self._wire.document("GET", f"/instances/{quoted(instance_id)}/history", query)

    def state(self, instance_id: str) -> Document:
        """Where an instance stands: its fibers and its variables. Raises ``NotFound``."""
        return self._wire.document("GET", f"/instances/{quoted(instance_id)}/state")

    def count(self, verb: str, query: str) -> Document:
        """How many instances an act would meet: ``count``, and the first of their ``ids``."""
        asked: dict[str, str | list[str]] = {"q": query, "dry_run": "true"}
        answer = self._wire.send("POST", f"/instances:{quoted(verb)}", query=asked)
        document: Document = answer.json()
        return document

    def act_on(self, verb: str, query: str, confirm: int, *, reason: str | None = None) -> Document:
        """Suspend, resume, cancel, terminate, rewind, restart or purge all that a query finds.

        ``confirm`` is their ``count``. Returns how many have ``changed``, and the ``problems`` of others.
        Raises ``Conflict`` and does nothing when there are more or fewer by now.
        """
        asked: dict[str, str | list[str]] = {"q": query, "confirm": str(confirm)}
        body = encode_json({"reason": reason})
        path = f"/instances:{quoted(verb)}"
        answer = self._wire.send("POST", path, query=asked, headers=JSON, body=body, again=False)
        document: Document = answer.json()
        return document

    def payload(self, instance_id: str, key: str) -> Any:
        """A large value of an instance, by the key that its history shows. Raises ``NotFound``."""
        return self._wire.document("GET", f"/instances/{quoted(instance_id)}/payloads/{quoted(key)}")

    def waiting(self, instance_id: str) -> list[Document]:
        """What an instance waits for now."""
        return _items(self._wire.send("GET", f"/instances/{quoted(instance_id)}/explain"))

    def query(self, instance_id: str, name: str) -> Any:
        """The answer to a query that the workflow declares. Raises ``NotFound``."""
        return self._wire.document("GET", f"/instances/{quoted(instance_id)}/queries/{quoted(name)}")["value"]

    def start_many(
        self, starts: Sequence[Mapping[str, Any]], *, request_key: str | None = None
    ) -> list[Document]:
        """Start up to 1,000 instances at once, each said as ``POST /instances`` takes it.

        Returns for each ``{"id"}``, or ``{"id", "problem"}`` for one that could not be started.
        """
        key = request_key or ordered_id()
        return _items(self._wire.send_json("/instances:batch", [dict(each) for each in starts], key))

    def raise_event(
        self, instance_id: str, name: str, payload: Any = None, *, request_key: str | None = None
    ) -> None:
        """Send an event. Raises ``NotFound``, and ``Ended`` when nobody will hear it."""
        self._wire.post(f"/instances/{quoted(instance_id)}/events/{quoted(name)}", payload, request_key)

    def publish(
        self, name: str, payload: Any = None, *, start: str | None = None, request_key: str | None = None
    ) -> list[str]:
        """Send an event to every instance that waits for it now by its content; returns their ids.

        When nobody does, the workflow ``start`` is started with the payload, and gets the event.
        """
        path = f"/events/{quoted(name)}" + ("" if start is None else f"?start={quoted(start)}")
        ids: list[str] = self._wire.post(path, payload, request_key)["ids"]
        return ids

    def suspend(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> Document:
        """Let an instance act on nothing until it is resumed."""
        return self._wire.post(f"/instances/{quoted(instance_id)}/suspend", {"reason": reason}, request_key)

    def resume(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> Document:
        """Let a suspended instance go on."""
        return self._wire.post(f"/instances/{quoted(instance_id)}/resume", {"reason": reason}, request_key)

    def cancel(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> Document:
        """End an instance after its cleanup: ``finally`` and compensations run."""
        return self._wire.post(f"/instances/{quoted(instance_id)}/cancel", {"reason": reason}, request_key)

    def terminate(
        self, instance_id: str, reason: str | None = None, *, request_key: str | None = None
    ) -> Document:
        """End an instance at once, without cleanup."""
        return self._wire.post(f"/instances/{quoted(instance_id)}/terminate", {"reason": reason}, request_key)

    def rewind(
        self,
        instance_id: str,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        request_key: str | None = None,
    ) -> Document:
        """Let an instance that failed, or was terminated, go on: only what failed is done again.

        Returns where it goes on, as ``paths``; a ``dry_run`` changes nothing.
        """
        path = f"/instances/{quoted(instance_id)}/rewind" + ("?dry_run=true" if dry_run else "")
        return self._wire.post(path, {"reason": reason}, request_key)

    def fork(
        self,
        instance_id: str,
        step: str,
        *,
        id: str | None = None,
        version: str | None = None,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> Document:
        """Start another instance with the past of this one before a step; returns its ``id``."""
        body = {"step": step, "id": id, "version": version, "reason": reason}
        return self._wire.post(f"/instances/{quoted(instance_id)}/fork", body, request_key)

    def migrate(
        self,
        instance_id: str,
        version: str,
        reason: str | None = None,
        *,
        dry_run: bool = False,
        request_key: str | None = None,
    ) -> Document:
        """Let an instance that runs go on with another version, if that one replays its history."""
        path = f"/instances/{quoted(instance_id)}/migrate" + ("?dry_run=true" if dry_run else "")
        return self._wire.post(path, {"version": version, "reason": reason}, request_key)

    def restart(
        self,
        instance_id: str,
        input: Any = ...,
        *,
        version: str | None = None,
        id: str | None = None,
        new_id: bool = False,
        terminate: bool = False,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> Document:
        """Do it all again: the next generation of an instance that has ended, or another instance.

        With the same input, unless one is given.
        """
        body = {"version": version, "id": id, "new_id": new_id, "terminate": terminate, "reason": reason}
        given = {} if input is ... else {"input": input}
        return self._wire.post(f"/instances/{quoted(instance_id)}/restart", {**body, **given}, request_key)

    def resolve(
        self,
        instance_id: str,
        step: str,
        output: Any = None,
        *,
        error: Document | None = None,
        reason: str | None = None,
        request_key: str | None = None,
    ) -> Document:
        """End what a step waits for by hand: with an output, or with an error."""
        given = {"output": output} if error is None else {"error": error}
        path = f"/instances/{quoted(instance_id)}/steps/{quoted(step)}/resolve"
        return self._wire.post(path, {**given, "reason": reason}, request_key)

    def purge(self, instance_id: str, *, leave_running: bool = False, reason: str | None = None) -> Document:
        """Delete an instance that has ended, with its descendants.

        Raises ``NotFound``, and ``Conflict`` when it has not ended, or one of its children.
        """
        query = {
            "leave_running": "true" if leave_running else "false",
            **({} if reason is None else {"reason": reason}),
        }
        return self._wire.delete(f"/instances/{quoted(instance_id)}", query)

    def purge_many(
        self,
        *,
        statuses: Sequence[str] = (),
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        ended_from: str | None = None,
        ended_before: str | None = None,
        older_than: float | None = None,
        query: str | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Document:
        """Delete a slice of the ended instances that match; ``next`` is the cursor of the next one."""
        texts = {
            "q": query,
            "name": name,
            "ended_from": ended_from,
            "ended_before": ended_before,
            "older_than": None if older_than is None else f"{older_than * 1000:.0f}ms",
            "reason": reason,
            "cursor": cursor,
        }
        asked: dict[str, str | list[str]] = {
            "status": list(statuses),
            "tag": [f"{key}:{value}" for key, value in (tags or {}).items()],
            "dry_run": "true" if dry_run else "false",
            "limit": str(limit),
            **{key: text for key, text in texts.items() if text is not None},
        }
        return self._wire.delete("/instances", asked)

    def create_key(self, name: str, role: str, *, expires: float | None = None) -> Document:
        """Make a key, with its ``secret``, which is not shown again. ``expires`` is in seconds from now."""
        body = {"name": name, "role": role, "expires": None if expires is None else f"{round(expires)}s"}
        made = self._wire.send("POST", "/keys", headers=JSON, body=encode_json(body), again=False)
        document: Document = made.json()
        return document

    def keys(self) -> list[Document]:
        """All keys that there have been, without their secrets."""
        return _items(self._wire.send("GET", "/keys"))

    def revoke_key(self, name: str) -> Document:
        """Let a key, by its name or its id, count no more."""
        return self._wire.delete(f"/keys/{quoted(name)}", {})

    def stats(self) -> Document:
        """How many instances, tasks, messages and the like the hub has."""
        return self._wire.document("GET", "/stats")

    def queues(self) -> list[Document]:
        """Every named queue that has a rate, is served or has tasks that wait."""
        return _items(self._wire.send("GET", "/queues"))

    def set_queue(self, name: str, rate: str | None) -> Document:
        """Give a queue a rate like ``10/s``, or take it away."""
        body = encode_json({"rate": rate})
        document: Document = self._wire.send("PUT", f"/queues/{quoted(name)}", headers=JSON, body=body).json()
        return document

    def complete_token(self, token: str, result: Any = None) -> Document:
        """Give the activity of a token its result. Raises ``NotFound``, ``Ended`` and ``Conflict``."""
        return self._wire.post(f"/tokens/{quoted(token)}/complete", result, None)

    def fail_token(
        self, token: str, error: str, message: str = "", *, data: Any = None, retryable: bool = True
    ) -> Document:
        """Let the activity of a token fail with an error of this name."""
        body = {"error": error, "message": message, "data": data, "retryable": retryable}
        return self._wire.post(f"/tokens/{quoted(token)}/fail", body, None)

    def workers(self) -> list[Document]:
        """The live workers of the hub."""
        return _items(self._wire.send("GET", "/workers"))

    def drain_worker(self, worker: str) -> Document:
        """Ask a live worker to give its slots to others and leave. Raises ``NotFound``."""
        return self._wire.post(f"/workers/{quoted(worker)}/drain", {}, None)

    def statistics(self, instance: str) -> Document:
        """Events, bytes, attempts and seconds of an instance's history by steps. Raises ``NotFound``."""
        return self._wire.document("GET", f"/instances/{quoted(instance)}/stats")

    def dead_letters(
        self, instance: str | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> Document:
        """A page of what could not be delivered, newest first: ``items``, and ``next``."""
        return self._wire.document("GET", "/dead-letters", _page(limit, cursor, instance=instance))

    def dead_letter(self, number: int) -> Document:
        """One dead letter with its payload. Raises ``NotFound``."""
        return self._wire.document("GET", f"/dead-letters/{number}")

    def retry_dead_letter(self, number: int, *, request_key: str | None = None) -> Document:
        """Deliver one after all. Raises ``NotFound``, ``Ended`` and ``Conflict``."""
        return self._wire.post(f"/dead-letters/{number}/retry", {}, request_key)

    def discard_dead_letter(self, number: int, *, request_key: str | None = None) -> Document:
        """Delete one. Raises ``NotFound``."""
        return self._wire.post(f"/dead-letters/{number}/discard", {}, request_key)

    def audit(
        self,
        *,
        target: str | None = None,
        action: str | None = None,
        actor: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Document:
        """A page of what operators did, newest first: ``items``, and ``next``."""
        wanted = _page(limit, cursor, target=target, action=action, actor=actor)
        return self._wire.document("GET", "/audit", wanted)

    def entities(
        self,
        *,
        type: str | None = None,
        key_prefix: str = "",
        updated_from: str | None = None,
        updated_to: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Document:
        """A page of the entities that have a state, by type and key: ``items``, and ``next``."""
        wanted = _page(limit, cursor, name=type, updated_from=updated_from, updated_to=updated_to)
        return self._wire.document(
            "GET", "/entities", {**wanted, **({"key": key_prefix} if key_prefix else {})}
        )

    def entity(self, entity: str) -> Document:
        """The document of ``Type@key``. Raises ``NotFound`` when it has no state."""
        return self._wire.document("GET", f"/entities/{quoted(entity)}")

    def call_entity(
        self,
        entity: str,
        operation: str,
        input: Any = None,
        *,
        timeout: float | None = None,
        request_key: str | None = None,
    ) -> Document | None:
        """Have an entity carry out an operation; ``{"result": ...}``, or None after ``timeout`` seconds.

        Raises ``OperationFailed`` when it fails, ``NotFound`` and ``UserError``.
        """
        path = f"/entities/{quoted(entity)}/{quoted(operation)}"
        key, left = request_key or ordered_id(), timeout
        while True:
            seconds = WAIT_SECONDS if left is None else min(max(left, 0.0), WAIT_SECONDS)
            query = {"call": "true", "wait": f"{int(seconds * 1000)}ms"}
            answer = self._wire.send_json(path, input, key, query=query, waits=seconds)
            if answer.status_code == 200:
                document: Document = answer.json()
                return document
            left = None if left is None else left - max(answer.elapsed.total_seconds(), 0.001)
            if left is not None and left <= 0:
                return None

    def signal_entity(
        self,
        entity: str,
        operation: str,
        input: Any = None,
        *,
        at: str | None = None,
        request_key: str | None = None,
    ) -> None:
        """Have an entity carry out an operation for which nobody waits, not before ``at`` (RFC 3339)."""
        path = f"/entities/{quoted(entity)}/{quoted(operation)}"
        self._wire.send_json(path, input, request_key or ordered_id(), query={} if at is None else {"at": at})

    def delete_entity(
        self, entity: str, *, reason: str | None = None, request_key: str | None = None
    ) -> Document:
        """Let an entity be no more, once those who spoke to it before have been heard."""
        query = {} if reason is None else {"reason": reason}
        headers = {"idempotency-key": request_key or ordered_id()}
        answer = self._wire.send("DELETE", f"/entities/{quoted(entity)}", query=query, headers=headers)
        document: Document = answer.json()
        return document

    def schedules(self) -> Document:
        """All schedules, by id: ``items``."""
        return self._wire.document("GET", "/schedules")

    def schedule(self, schedule_id: str) -> Document:
        """A schedule with its last outcomes. Raises ``NotFound``."""
        return self._wire.document("GET", f"/schedules/{quoted(schedule_id)}")

    def pause_schedule(self, schedule_id: str) -> Document:
        """Start nothing by it until it is resumed. Raises ``NotFound``."""
        return self._wire.post(f"/schedules/{quoted(schedule_id)}/pause", {}, None)

    def resume_schedule(self, schedule_id: str) -> Document:
        """Let it go on from now: what was due meanwhile is passed over. Raises ``NotFound``."""
        return self._wire.post(f"/schedules/{quoted(schedule_id)}/resume", {}, None)

    def backfill_schedule(self, schedule_id: str, begin: str, end: str) -> Document:
        """Start what was due from one time (RFC 3339) to another, each once.

        Raises ``NotFound``, and ``UserError`` for a range that is none.
        """
        body = {"begin": begin, "end": end}
        return self._wire.post(f"/schedules/{quoted(schedule_id)}/backfill", body, None)

    def trigger_schedule(self, schedule_id: str, *, request_key: str | None = None) -> Document:
        """Start an occurrence of this moment; returns the instance. Raises ``NotFound``, ``Conflict``."""
        return self._wire.post(f"/schedules/{quoted(schedule_id)}/trigger", {}, request_key)


def _page(limit: int, cursor: str | None, **filters: str | None) -> dict[str, str | list[str]]:
    """The query of a page: what is None is not asked for."""
    given = {"limit": str(limit), "cursor": cursor, **filters}
    return {name: value for name, value in given.items() if value is not None}


def _items(answer: httpx2.Response) -> list[Document]:
    items: list[Document] = answer.json()["items"]
    return items
