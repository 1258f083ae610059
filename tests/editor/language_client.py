"""A client of a language server on stdio: just what a test needs to ask what an editor asks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SETTINGS = {
    "validate": True,
    "hover": True,
    "completion": True,
    "schemaStore": {"enable": False},
    "kubernetesCRDStore": {"enable": False},
}
"""The settings under ``yaml``: an editor's own, but nothing is fetched from the network."""

CAPABILITIES = {
    "textDocument": {
        "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
        "hover": {"contentFormat": ["markdown"]},
        "publishDiagnostics": {"relatedInformation": True},
    },
    "workspace": {"configuration": True},
}


class LanguageServer:
    """A running server and the documents that are open in it; ends with its ``with`` block."""

    def __init__(self, command: Sequence[str], root: Path) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._root = root
        self._last = 0
        self._published: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        root = self._root.as_uri()
        folders = [{"uri": root, "name": "root"}]
        self.request(
            "initialize",
            {"processId": None, "rootUri": root, "capabilities": CAPABILITIES, "workspaceFolders": folders},
        )
        self._notify("initialized", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.request("shutdown", None)
            self._notify("exit", None)
        else:
            self._process.kill()
        self._process.communicate()

    def open(self, name: str, text: str) -> None:
        """Opens a document that was not opened before."""
        document = {"uri": self._uri(name), "languageId": "yaml", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})

    def diagnostics(self, name: str) -> list[dict[str, Any]]:
        """What the server says about an open document, once it does."""
        uri = self._uri(name)
        while uri not in self._published:
            self._handle(self._read())
        return self._published[uri]

    def hover(self, name: str, line: int, character: int) -> str:
        """The text that is shown over a place (counted from 0), as Markdown; empty without one."""
        found = self.request("textDocument/hover", self._place(name, line, character))
        return str(found["contents"]["value"]) if found else ""

    def complete(self, name: str, line: int, character: int) -> list[dict[str, Any]]:
        """What is offered at a place (counted from 0)."""
        found = self.request("textDocument/completion", self._place(name, line, character))
        items: list[dict[str, Any]] = found["items"] if isinstance(found, dict) else found or []
        return items

    def request(self, method: str, parameters: Any) -> Any:
        """The server's answer to a request; what it asks or tells meanwhile is handled."""
        self._last += 1
        self._write({"id": self._last, "method": method, "params": parameters})
        while True:
            message = self._read()
            if "method" in message or message.get("id") != self._last:
                self._handle(message)
            elif "error" in message:
                raise RuntimeError(f"{method}: {message['error']['message']}")
            else:
                return message["result"]

    def _notify(self, method: str, parameters: Any) -> None:
        self._write({"method": method, "params": parameters})

    def _handle(self, message: dict[str, Any]) -> None:
        parameters: Any = message.get("params")
        if message.get("method") == "textDocument/publishDiagnostics":
            self._published[parameters["uri"]] = parameters["diagnostics"]
        elif "id" in message and "method" in message:
            self._write({"id": message["id"], "result": _answer(message["method"], parameters)})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise RuntimeError("the language server has ended")
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message

    def _uri(self, name: str) -> str:
        return (self._root / name).as_uri()

    def _place(self, name: str, line: int, character: int) -> dict[str, Any]:
        position = {"line": line, "character": character}
        return {"textDocument": {"uri": self._uri(name)}, "position": position}


def _answer(method: str, parameters: Any) -> Any:
    """What an editor with our settings answers to a server's request."""
    if method == "workspace/configuration":
        return [SETTINGS if item.get("section") == "yaml" else {} for item in parameters["items"]]
    return None
