"""An OpenID provider in a process of its own: ``python issuer.py``. It prints its URL when it answers.

It describes itself, has a JWKS with an RSA and an EC key, signs whatever claims are posted to ``/sign``,
changes its keys at ``/rotate``, and counts how often they were fetched.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import PIPE, Popen
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ODD: list[Any] = [
    7,
    {"kty": ["RSA"], "kid": "a"},
    {"kty": "RSA", "kid": ["b"]},
    {"kty": "RSA", "kid": "c", "n": 5, "e": "AQAB"},
    {"kty": "RSA", "kid": "d", "n": "AQ", "e": "AQAB"},
    {"kty": "EC", "kid": "e", "crv": ["P-256"], "x": "", "y": ""},
    {"kty": "OKP", "kid": "f", "crv": "Ed25519", "x": "AAAA"},
    {"kty": "RSA", "kid": "g", "alg": 5},
    {"kty": "oct", "kid": "h", "k": "c2VjcmV0", "alg": "HS256"},
]
"""What is no public key for signatures, or none that can be read."""


class Issuer:
    """The process, seen from a test."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sign(self, claims: dict[str, Any], algorithm: str = "RS256", **header: Any) -> str:
        """A token of these claims, by its present keys."""
        body = {"claims": claims, "algorithm": algorithm, "header": header}
        token: str = httpx2.post(f"{self.url}/sign", json=body).json()
        return token

    def rotate(self) -> None:
        """Have other keys from now on."""
        httpx2.post(f"{self.url}/rotate")

    def fetched(self) -> int:
        """How often the keys were asked for."""
        count: int = httpx2.get(f"{self.url}/fetched").json()
        return count


@contextmanager
def given_issuer() -> Generator[Issuer]:
    """The process; it ends with the block."""
    process = Popen([sys.executable, "-W", "error", __file__], stdout=PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the issuer did not start; its own output says why"
        yield Issuer(url)
    finally:
        process.kill()
        process.communicate()


class _Handler(BaseHTTPRequestHandler):
    generation = 0
    fetches = 0
    keys: dict[str, Any]

    @classmethod
    def renew(cls) -> None:
        cls.generation += 1
        cls.keys = {
            "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
        }

    def do_GET(self) -> None:
        cls = type(self)
        url = f"http://{self.headers['host']}"
        match self.path:
            case "/.well-known/openid-configuration":
                self._answer({"issuer": url, "jwks_uri": f"{url}/keys"})
            case "/other/.well-known/openid-configuration":
                self._answer({"issuer": url, "jwks_uri": f"{url}/keys"})
            case "/away/.well-known/openid-configuration":
                self._answer({"issuer": f"{url}/away", "jwks_uri": "http://keys.example/keys"})
            case "/port/.well-known/openid-configuration":
                self._answer({"issuer": f"{url}/port", "jwks_uri": "https://keys.example:99999/keys"})
            case "/line/.well-known/openid-configuration":
                self._answer({"issuer": f"{url}/line", "jwks_uri": "https://keys.example/two\nlines"})
            case "/name/.well-known/openid-configuration":
                self._answer({"issuer": f"{url}/name", "jwks_uri": "https://" + "x" * 70_000})
            case "/deep/.well-known/openid-configuration" | "/deep-keys":
                self._send(b"[" * 100_000)
            case "/deep-keys/.well-known/openid-configuration":
                self._answer({"issuer": f"{url}/deep-keys", "jwks_uri": f"{url}/deep-keys"})
            case "/odd-keys/.well-known/openid-configuration":
                self._answer({"issuer": f"{url}/odd-keys", "jwks_uri": f"{url}/odd-keys"})
            case "/odd-keys":
                self._answer({"keys": ODD})
            case "/nameless":
                # Some providers do not say for which algorithm their keys are.
                keys = [self._public(name) for name in cls.keys]
                said = [{word: value for word, value in each.items() if word != "alg"} for each in keys]
                self._answer({"keys": [*ODD, *said]})
            case "/keys":
                cls.fetches += 1
                self._answer({"keys": [self._public(name) for name in cls.keys]})
            case "/large":
                self._answer({"keys": ["x" * (2 << 20)]})
            case "/moved":
                self.send_response(302)
                self.send_header("location", f"{url}/keys")
                self.end_headers()
            case "/fetched":
                self._answer(cls.fetches)
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        cls = type(self)
        text = self.rfile.read(int(self.headers["content-length"] or 0))
        if self.path == "/rotate":
            self._answer(cls.renew())
            return
        asked = json.loads(text)
        name = asked["algorithm"]
        header = {"kid": self._kid(name), **asked["header"]}
        self._answer(jwt.encode(asked["claims"], cls.keys[name], algorithm=name, headers=header))

    def _public(self, name: str) -> dict[str, Any]:
        write: Any = RSAAlgorithm.to_jwk if name == "RS256" else ECAlgorithm.to_jwk
        found: dict[str, Any] = json.loads(write(self.keys[name].public_key()))
        return {**found, "kid": self._kid(name), "use": "sig", "alg": name}

    def _kid(self, name: str) -> str:
        return f"{name}-{self.generation}"

    def _answer(self, document: Any) -> None:
        self._send(json.dumps(document).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    _Handler.renew()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
