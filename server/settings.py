"""The bounds that the server keeps."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.server.oidc import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Bytes of a request's body and of a batch's, seconds that one may wait, threads for the engine's calls.

    A body may be larger than a document, so that the reader of documents says what is too large; it has to
    come within ``body_seconds``, and the head of a request within ``head_seconds``. Beyond ``waiting``
    calls that wait for a thread, or for the same call of others, requests are refused; so are those that
    wait for an end beyond ``waits``, bodies beyond ``held_bytes`` of all requests together, connections
    beyond ``connections``, and requests of one key beyond ``key_rate`` a second.
    There are at most ``streams`` of server-sent events, each for ``stream_seconds``, with a sign of life
    every ``heartbeat_seconds``.
    A server that others than programs of this machine can reach has ``any_host``, and is to ``require_keys``.
    Tokens of a ``provider`` count beside keys.
    """

    body_bytes: int = 1 << 20
    batch_bytes: int = 16 << 20
    wait_seconds: float = 300.0
    connections: int = 1_000
    head_seconds: float = 15.0
    body_seconds: float = 60.0
    key_rate: float | None = None
    streams: int = 100
    stream_seconds: float = 300.0
    heartbeat_seconds: float = 15.0
    threads: int = 64
    waiting: int = 1_000
    waits: int = 1_000
    held_bytes: int = 256 << 20
    require_keys: bool = False
    any_host: bool = False
    provider: Provider | None = None
