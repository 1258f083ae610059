"""How a client's requests travel: JSON over HTTP, once more if an answer is lost, problems as errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from perdure.engine.errors import (
    Busy,
    Conflict,
    Ended,
    FenceLost,
    NotFound,
    OperationFailed,
    OutcomeUnknown,
    Overloaded,
    PerdureError,
    StoreError,
    UserError,
)
from perdure.engine.ids import ordered_id
from perdure.server.answers import encode_json
from perdure.server.api import ACTOR
from perdure.server.guards import is_loopback

DEFAULT_URL = "http://127.0.0.1:7410"

Document = dict[str, Any]

_KINDS: Mapping[int, type[PerdureError]] = {404: NotFound, 409: Conflict, 410: Ended, 503: StoreError}
_OUTAGES: Mapping[str, type[PerdureError]] = {
    each.code: each for each in (Busy, FenceLost, OutcomeUnknown, Overloaded)
}
_PREFIX = "/api/v1"
JSON = {"content-type": "application/json"}


class Unreachable(PerdureError):
    """The server does not answer."""

    code = "unreachable"


class Transport:
    """Requests to the server at ``url``. Raises what ``Client`` promises."""

    def __init__(self, url: str, timeout: float, actor: str | None, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        parts = urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UserError(f"{url!r} is no URL of a server.", hint=f"write it like {DEFAULT_URL}")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise UserError("The key is none that a server has made.", hint="`perdure keys create` makes one")
        # A proxy that the environment names cannot reach this machine's own loopback address.
        self._http = httpx2.Client(
            base_url=self._url + _PREFIX,
            timeout=timeout,
            trust_env=not is_loopback(parts.hostname),
            headers={
                **({} if actor is None else {ACTOR: quoted(actor)}),
                **({} if key is None else {"authorization": f"Bearer {key}"}),
            },
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def document(
        self, method: str, path: str, query: Mapping[str, str | list[str]] | None = None
    ) -> Document:
        """The document that answers a request."""
        document: Document = self.send(method, path, query=query).json()
        return document

    def post(self, path: str, body: Any, request_key: str | None) -> Document:
        """The document that answers a POST, which is carried out once however often it is sent."""
        document: Document = self.send_json(path, body, request_key or ordered_id()).json()
        return document

    def send_json(
        self,
        path: str,
        body: Any,
        key: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        waits: float = 0.0,
    ) -> httpx2.Response:
        """The answer to a POST, which may take ``waits`` seconds longer than others."""
        headers = {**JSON, "idempotency-key": key}
        try:
            content = encode_json(body)
        except (TypeError, ValueError, RecursionError) as error:
            raise UserError(f"The value cannot be sent as JSON: {error}.") from None
        return self.send("POST", path, query=query, headers=headers, body=content, waits=waits)

    def delete(self, path: str, query: Mapping[str, str | list[str]]) -> Document:
        """The document that answers a DELETE, which is sent once."""
        document: Document = self.send("DELETE", path, query=query, again=False).json()
        return document

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        waits: float = 0.0,
        again: bool = True,
    ) -> httpx2.Response:
        """The answer, unless it is a problem. With ``again`` it is sent once more when that is lost."""
        request = self._http.build_request(
            method, path, params=query, headers=headers, content=body, timeout=self._timeout + waits
        )
        try:
            try:
                answer = self._http.send(request)
            except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
                if not again:
                    raise
                answer = self._http.send(request)
        except httpx2.TransportError as error:
            raise Unreachable(
                f"The server at {self._url} does not answer: {str(error) or type(error).__name__}.",
                hint="is it running? `perdure serve` starts one",
            ) from None
        return self._checked(answer)

    def _checked(self, answer: httpx2.Response) -> httpx2.Response:
        kind = answer.headers.get("content-type", "")
        if answer.is_success and kind == "application/json":
            return answer
        if kind == "application/problem+json":
            raise _error(answer.json())
        raise Unreachable(f"What answers at {self._url} is not perdure.", hint="is the URL right?")


class Diagnosed(UserError):
    """A document was refused; the text and the diagnostics are put together by the caller."""

    def __init__(self, diagnostics: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.diagnostics = diagnostics


def _error(problem: Document) -> PerdureError:
    """The exception that a problem document stands for."""
    if "diagnostics" in problem:
        return Diagnosed(problem["diagnostics"])
    status, code = problem["status"], problem["code"]
    if code == OperationFailed.code:
        return OperationFailed(problem["error"])
    kind = _OUTAGES.get(code) or _KINDS.get(status) or (UserError if status < 500 else PerdureError)
    error = kind(problem["detail"], hint=problem.get("hint"))
    error.code = code
    return error


def quoted(text: str) -> str:
    """As a part of a path, or in a header."""
    return quote(text, safe="")
